/** Fields whose values are parameters of the address and of the query API at once. */
import { ask } from './api.ts'
import type { Services } from './api-types.ts'
import { button, h } from './dom.ts'
import { change } from './location.ts'

export interface FilterField {
  readonly name: string
  readonly label: string
  readonly size: 's' | 'm' | 'l'
  readonly hint?: string
  /** A choice instead of text. */
  readonly choices?: readonly (readonly [string, string])[]
  /** Names that are known are offered. */
  readonly list?: 'service' | 'route'
}

export const SERVICE: FilterField = { name: 'service', label: 'service', size: 'm', list: 'service' }
export const ROUTE: FilterField = { name: 'route', label: 'route', size: 'l', list: 'route', hint: '/orders/{id}' }
export const STATUS: FilterField = {
  ...{ name: 'status', label: 'result', size: 's' },
  choices: [
    ['', 'any'],
    ['error', 'failed'],
    ['ok', 'good'],
  ],
}
export const HTTP: FilterField = { name: 'http', label: 'status', size: 's', hint: '404 5xx' }
export const MIN: FilterField = { name: 'minMs', label: 'min ms', size: 's', hint: '0' }
export const MAX: FilterField = { name: 'maxMs', label: 'max ms', size: 's', hint: '∞' }

/** Attributes are many in one field. */
const SEPARATOR = /\s*;\s*/

type Field = HTMLInputElement | HTMLSelectElement

export class Filters {
  readonly element: HTMLFormElement
  readonly #fields = new Map<string, Field>()
  readonly #services = h('datalist', { attrs: { id: 'services' } })
  readonly #routes = h('datalist', { attrs: { id: 'routes' } })
  #known: Services['services'] = []

  /** `extra` stands after the fields. */
  constructor(fields: readonly FilterField[], ...extra: readonly HTMLElement[]) {
    const elements = fields.map((field, index) => this.#field(field, index === 0))
    this.element = h(
      'form',
      {
        class: 'bar-of-filters',
        attrs: { 'aria-label': 'Filters' },
        on: {
          submit: (event) => {
            event.preventDefault()
            this.#submit()
          },
          change: (event) => {
            if (event.target instanceof HTMLSelectElement && event.target.name !== '') this.#submit()
          },
        },
      },
      ...elements,
      ...extra,
      h(
        'div',
        'actions',
        h('button', { class: 'primary', attrs: { type: 'submit' } }, 'Find'),
        button('Clear', '', () => this.#clear()),
      ),
      this.#services,
      this.#routes,
    )
    void this.#learn()
  }

  show(query: URLSearchParams): void {
    for (const [name, field] of this.#fields) field.value = query.getAll(name).join('; ')
    this.#offerRoutes()
  }

  #field({ name, label, size, hint, choices, list }: FilterField, first: boolean): HTMLElement {
    const attrs = { name, ...(first && { 'data-search': '' }) }
    const field: Field =
      choices === undefined
        ? h('input', {
            attrs: {
              ...{ ...attrs, type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: hint },
              list: list === undefined ? undefined : `${list}s`,
            },
          })
        : h('select', { attrs }, ...choices.map(([value, text]) => h('option', { attrs: { value } }, text)))
    if (name === 'service') field.addEventListener('input', () => this.#offerRoutes())
    this.#fields.set(name, field)
    return h('label', `field ${size}`, h('span', null, label), field)
  }

  #submit(): void {
    const changes = [...this.#fields].map(([name, { value }]) => [
      name,
      name === 'attribute' ? value.split(SEPARATOR) : value.trim(),
    ])
    change(Object.fromEntries(changes) as Record<string, string | string[]>)
  }

  #clear(): void {
    for (const field of this.#fields.values()) field.value = ''
    this.#submit()
  }

  /** Names of services and routes; without them the fields work all the same. */
  async #learn(): Promise<void> {
    const query = new URLSearchParams({ lastMs: '86400000' })
    const answer = await ask<Services>('services', query, AbortSignal.timeout(10_000)).catch(() => undefined)
    this.#known = answer?.services ?? []
    this.#services.replaceChildren(...this.#known.map(({ service }) => option(service)))
    this.#offerRoutes()
  }

  #offerRoutes(): void {
    const service = this.#fields.get('service')?.value ?? ''
    const of = this.#known.filter((one) => service === '' || one.service === service)
    const routes = new Set(of.flatMap((one) => one.routes.map(({ route }) => route)))
    this.#routes.replaceChildren(...[...routes].slice(0, 300).map(option))
  }
}

const option = (value: string): HTMLElement => h('option', { attrs: { value } })
