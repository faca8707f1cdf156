/**
 * Elements without markup: text only ever becomes a text node, so nothing that a span says can be read as HTML. The page's
 * policy (Trusted Types) refuses the ways around this.
 */
export type Child = Node | string | number | null | undefined | false

export interface Props {
  readonly class?: string | undefined
  /** Custom properties and geometry; set through the object model, which the policy allows. */
  readonly css?: Readonly<Record<string, string | undefined>>
  readonly on?: { readonly [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void }
  readonly data?: Readonly<Record<string, string>>
  readonly attrs?: Readonly<Record<string, string | number | boolean | undefined>>
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props | string | null,
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  if (typeof props === 'string') element.className = props
  else if (props !== null) apply(element, props)
  add(element, children)
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attrs: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attrs)) if (value !== undefined) setText(element, name, String(value))
  add(element, children)
  return element
}

function add(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    element.append(child instanceof Node ? child : shown(String(child)))
  }
}

function apply(element: HTMLElement, { class: className, css, on, data, attrs }: Props): void {
  if (className !== undefined) element.className = className
  for (const [name, value] of Object.entries(css ?? {})) {
    if (value !== undefined) element.style.setProperty(name, value)
  }
  for (const [name, value] of Object.entries(data ?? {})) element.dataset[name] = value
  for (const [name, value] of Object.entries(attrs ?? {})) setAttr(element, name, value)
  for (const [type, listener] of Object.entries(on ?? {})) element.addEventListener(type, listener as EventListener)
}

/** Attributes that people read; others have values that must stay what they are. */
const TOLD: ReadonlySet<string> = new Set(['title', 'aria-label', 'placeholder'])

function setAttr(element: HTMLElement, name: string, value: string | number | boolean | undefined): void {
  if (value === undefined || (value === false && !name.startsWith('aria-'))) return
  setText(element, name, value === true && !name.startsWith('aria-') ? '' : String(value))
}

function setText(element: Element, name: string, text: string): void {
  element.setAttribute(name, TOLD.has(name) ? shown(text) : text)
}

/** As `core/hidden-characters.ts` has it, which a page cannot load; lines and columns of a text are its own. */
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu

/** With characters escaped that show nothing and turn round, or hide, what is beside them. */
export function shown(text: string): string {
  return text.replace(HIDDEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** An element of the HTML file. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`no element ${id}`)
  return found
}

export function button(label: string, className: string, onClick: () => void, title?: string): HTMLButtonElement {
  return h('button', { class: className, attrs: { type: 'button', title }, on: { click: onClick } }, label)
}

/** Says something for a few seconds, to readers of screens too. */
export function toast(text: string): void {
  const place = byId('toast')
  place.textContent = shown(text)
  place.classList.add('shown')
  clearTimeout(toastTimer)
  toastTimer = setTimeout(() => place.classList.remove('shown'), 3000)
}

let toastTimer = 0

export function copyText(text: string, what: string): void {
  navigator.clipboard?.writeText(text).then(
    () => toast(`${what} copied`),
    () => toast(`the browser refused to copy the ${what}`),
  ) ?? toast('copying needs https or localhost')
}
