/** Where the connection of an HTTP/1.1 client stands. */

/** Before the first byte of a head. */
export const IDLE = 0
export const HEAD = 1
/** A request head was handed over and its body is being read. */
export const BODY = 2
/** The request is complete, its response is not. */
export const WAIT = 3
/** The connection is done with HTTP requests; what comes is thrown away. */
export const LINGER = 4
export const TUNNEL = 5
export const CLOSED = 6
