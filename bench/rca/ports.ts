/** Where programs of the range listen, each in its own namespace. */
export const CONTROL_PORT = 8080
/** The proxy for calls out of the mesh. */
export const EGRESS_PORT = 8081
export const RESOLVER_PORT = 5353
export const RESOLVER_CONTROL_PORT = 8053
