/** How a process is told to end: whoever asks first has it drain, and only the operator can have it end without. */

export interface Ending {
  /** Drain and exit; further calls change nothing. */
  begin(why: string): void
  /** The operator's: the first drains like any other, the second exits at once. */
  signal(name: NodeJS.Signals): void
}

/** `drain` is called once and exits. */
export function ending(drain: (why: string) => void): Ending {
  let begun = false
  let signalled = false
  const begin = (why: string): void => {
    if (begun) return
    begun = true
    drain(why)
  }
  return {
    begin,
    signal: (name) => {
      if (signalled) process.exit(process.exitCode ?? 1)
      signalled = true
      begin(name)
    },
  }
}
