/** A line on stderr for whoever started the program. */
export const warn = (text: string): void => console.error(`hopscope: warning: ${text}`)
