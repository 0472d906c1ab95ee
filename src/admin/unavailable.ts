/** The admin server cannot have its address or its socket: a matter of the operator, whom the message tells, and no bug. */
export class AdminUnavailable extends Error {}
