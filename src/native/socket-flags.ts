/** linux/net.h: for what is made or accepted to be ready for an event loop, and not to be inherited. */
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
