/** How waterfalls look: characters and colours. The characters alone must be enough, for pipes and colour-blind eyes. */

/**
 * Parts of a bar: the phases of a hop in their order, `below` for the wait that hops below account for, the proxy's
 * own time, a span that names no phases.
 */
export const BAR_PARTS = ['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'below', 'receive', 'self', 'span'] as const
export type BarPart = (typeof BAR_PARTS)[number]

export interface Style {
  readonly color: boolean
  /** false: ASCII only. */
  readonly unicode: boolean
}

const UNICODE = {
  bar: {
    ...{ queue: '░', dns: '▒', connect: '▓', tls: '▚', send: '▸', wait: '█', below: '─', receive: '◂', self: '·' },
    ...{ span: '█' },
  },
  branch: '├ ',
  last: '└ ',
  pass: '│ ',
  arrow: '→',
  cut: '…',
  failed: '✗',
  slow: '▲',
  again: '↻',
  good: '●',
  dot: '·',
}
const ASCII: typeof UNICODE = {
  bar: {
    ...{ queue: 'q', dns: 'd', connect: 'c', tls: 't', send: 's', wait: '#', below: '-', receive: 'r', self: '.' },
    ...{ span: '#' },
  },
  branch: '|-',
  last: '`-',
  pass: '| ',
  arrow: '->',
  cut: '~',
  failed: 'x',
  slow: '!',
  again: '*',
  good: 'o',
  dot: '-',
}

/** SGR parameters (ECMA-48 §8.3.117), of the 16 colours that every theme adapts. */
const SGR = {
  dim: '2',
  bold: '1',
  red: '31',
  green: '32',
  yellow: '33',
  blue: '34',
  magenta: '35',
  cyan: '36',
} as const
export type Paint = keyof typeof SGR

const BAR_PAINT: Readonly<Record<BarPart, Paint | undefined>> = {
  queue: 'dim',
  dns: 'yellow',
  connect: 'blue',
  tls: 'magenta',
  send: 'green',
  wait: 'cyan',
  below: 'dim',
  receive: 'green',
  self: 'dim',
  span: 'cyan',
}

/** A style with its characters at hand. */
export class Look {
  readonly unicode: boolean
  readonly marks: typeof UNICODE
  readonly #color: boolean

  constructor({ color, unicode }: Style) {
    this.#color = color
    this.unicode = unicode
    this.marks = unicode ? UNICODE : ASCII
  }

  paint(text: string, ...paints: readonly (Paint | undefined)[]): string {
    const codes = paints.flatMap((paint) => (paint === undefined ? [] : [SGR[paint]]))
    return this.#color && codes.length > 0 && text !== '' ? `\x1b[${codes.join(';')}m${text}\x1b[0m` : text
  }

  /** `alarm` colours the time that the hop's service itself is to answer for. */
  bar(part: BarPart, length: number, alarm: Paint | undefined): string {
    const text = this.marks.bar[part].repeat(length)
    return this.paint(text, part === 'wait' || part === 'span' ? (alarm ?? BAR_PAINT[part]) : BAR_PAINT[part])
  }
}

/** What the parts of a bar are, in lines of at most `width` columns. */
export function legend(look: Look, width: number): string[] {
  const meaning: Partial<Record<BarPart, string>> = {
    wait: 'service at work',
    below: 'hop below',
    self: 'hopscope',
  }
  const order: readonly BarPart[] = ['wait', 'below', 'queue', 'dns', 'connect', 'tls', 'send', 'receive', 'self']
  const lines: string[] = []
  let room = 0
  for (const part of order) {
    const text = meaning[part] ?? part
    const item = `${look.bar(part, 2, undefined)} ${look.paint(text, 'dim')}`
    const columns = 2 + 1 + text.length + 2
    if (lines.length > 0 && columns <= room) lines.push(`${lines.pop()}  ${item}`)
    else {
      lines.push(item)
      room = width + 2
    }
    room -= columns
  }
  return lines
}
