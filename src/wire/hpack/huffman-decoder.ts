/**
 * Huffman decoding by a state machine that eats half a byte at a step. A state is an inner node of the code's tree; no code is
 * shorter than five bits, so a step completes one symbol at most. Failure is a state, too: the loop never branches.
 */
import { CODE_BITS, CODES, EOS } from "./huffman-code.js";

const INNER_NODES = 256;
/** EOS was met. No step leads out of it. */
const FAILED = INNER_NODES;
const STATE_MASK = 0x1ff;
const SYMBOL_SHIFT = 9;
/** Above it: 1 when the step completes a symbol. */
const EMIT_SHIFT = 17;
const MAX_PADDING_BITS = 7;

interface Tree {
  /** [2 × node + bit]: an inner node, or -1 - symbol. */
  readonly children: Int32Array;
}

function growTree(): Tree {
  const children = new Int32Array(2 * INNER_NODES);
  let count = 1;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const code = CODES[symbol] as number;
    let node = 0;
    for (let bit = (CODE_BITS[symbol] as number) - 1; bit > 0; bit--) {
      const place = 2 * node + ((code >>> bit) & 1);
      if (children[place] === 0) children[place] = count++;
      node = children[place] as number;
    }
    children[2 * node + (code & 1)] = -1 - symbol;
  }
  return { children };
}

/** [16 × state + nibble]: next state, the symbol that the step completes, and whether it does. */
function buildSteps({ children }: Tree): Uint32Array {
  const steps = new Uint32Array(16 * (INNER_NODES + 1)).fill(FAILED);
  for (let state = 0; state < INNER_NODES; state++) {
    for (let nibble = 0; nibble < 16; nibble++) steps[16 * state + nibble] = walk(children, state, nibble);
  }
  return steps;
}

function walk(children: Int32Array, state: number, nibble: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[2 * node + ((nibble >>> bit) & 1)] as number;
    if (child === -1 - EOS) return FAILED;
    if (child < 0) emitted = ((-1 - child) << SYMBOL_SHIFT) | (1 << EMIT_SHIFT);
    node = Math.max(child, 0);
  }
  return node | emitted;
}

/** A text may end between two symbols or within the first seven bits of EOS: all ones. */
function markEnds({ children }: Tree): Uint8Array {
  const isEnd = new Uint8Array(INNER_NODES + 1);
  let node = 0;
  for (let bits = 0; bits <= MAX_PADDING_BITS; bits++) {
    isEnd[node] = 1;
    node = children[2 * node + 1] as number;
  }
  return isEnd;
}

const tree = growTree();
const STEPS = buildSteps(tree);
const IS_END = markEnds(tree);

/** No text is longer than that, as the shortest code has five bits. */
export function maxDecodedBytes(encodedBytes: number): number {
  return Math.floor((encodedBytes * 8) / 5);
}

/** `out` needs `maxDecodedBytes` and one more. Returns the length of the text, or -1 when it is malformed. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    // What a step does not complete is overwritten by the next one that does.
    let step = STEPS[(state << 4) | (byte >>> 4)] as number;
    out[length] = step >>> SYMBOL_SHIFT;
    length += step >>> EMIT_SHIFT;
    step = STEPS[((step & STATE_MASK) << 4) | (byte & 15)] as number;
    out[length] = step >>> SYMBOL_SHIFT;
    length += step >>> EMIT_SHIFT;
    state = step & STATE_MASK;
  }
  return IS_END[state] === 1 ? length : -1;
}

/** The length of the text, or -1 when it is malformed: for texts that nobody may spend memory on. */
export function measureHuffman(bytes: Uint8Array, start: number, end: number): number {
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    const first = STEPS[(state << 4) | (byte >>> 4)] as number;
    const second = STEPS[((first & STATE_MASK) << 4) | (byte & 15)] as number;
    length += (first >>> EMIT_SHIFT) + (second >>> EMIT_SHIFT);
    state = second & STATE_MASK;
  }
  return IS_END[state] === 1 ? length : -1;
}
