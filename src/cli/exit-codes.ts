/** What the process's exit code means; stable, listed in `--help`, after sysexits.h where it has the case. */
export const EXIT = {
  ok: 0,
  failure: 1,
  /** What was compared differs: a plan changes something, a test failed. */
  differences: 2,
  /** The command line is wrong. */
  usage: 64,
  /** A port is taken or an address cannot be bound; a gateway cannot be reached. */
  unavailable: 69,
  /** A file cannot be written. */
  cannotCreate: 73,
  /** The gateway wants another token. */
  notPermitted: 77,
  /** The configuration does not compile. */
  configuration: 78,
} as const;

export const EXIT_CODES_HELP = `Exit codes:
   0  success
   1  failure
   2  something differs, or a route test failed
  64  the command line is wrong
  69  a port is taken, an address cannot be bound, or the gateway cannot be reached
  73  a file cannot be written
  77  not permitted
  78  the configuration has problems`;
