/** The commands that read the configuration, and the groups of them that share settings. */
export const COMMANDS = ['dev', 'proxy', 'sidecar', 'iptables', 'aggregator', 'injector'] as const
export type Command = (typeof COMMANDS)[number]

/** Those that serve traffic. */
export const SERVING = ['dev', 'proxy', 'sidecar'] as const
/** Those that serve traffic of others than the developer. */
export const SERVERS = ['proxy', 'sidecar'] as const
export type Server = (typeof SERVERS)[number]
/** Those that deal with redirected connections. */
export const INTERCEPT = ['sidecar', 'iptables'] as const
