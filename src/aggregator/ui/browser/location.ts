/** The state of the page is its address: a view is a path, all else is in the query. */

export interface Place {
  /** First segment of the path. */
  readonly view: string
  /** What follows it. */
  readonly id: string
  readonly query: URLSearchParams
}

export function place(): Place {
  const [, view = '', id = ''] = location.pathname.split('/', 3)
  return { view, id: decoded(id), query: new URLSearchParams(location.search) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

type Listener = () => void
let listener: Listener = () => {}

/** Called after each change of the address, those by the browser's buttons included. */
export function onPlace(called: Listener): void {
  listener = called
  addEventListener('popstate', called)
}

export function go(url: string): void {
  if (url === location.pathname + location.search) return
  history.pushState(null, '', url)
  listener()
}

/** The same view in another state. Names that are undefined or '' go. `quiet`: the view knows already. */
export function change(
  changes: Readonly<Record<string, string | readonly string[] | undefined>>,
  { replace = false, quiet = false } = {},
): void {
  const query = new URLSearchParams(location.search)
  for (const [name, value] of Object.entries(changes)) {
    query.delete(name)
    for (const one of typeof value === 'string' ? [value] : (value ?? [])) if (one !== '') query.append(name, one)
  }
  const url = urlOf(location.pathname, query)
  if (url === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', url)
  else history.pushState(null, '', url)
  if (!quiet) listener()
}

export function urlOf(path: string, query: URLSearchParams | Readonly<Record<string, string | undefined>>): string {
  const entries = query instanceof URLSearchParams ? [...query] : Object.entries(query)
  const given = entries.filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '')
  const text = new URLSearchParams(given).toString()
  return text === '' ? path : `${path}?${text}`
}

/** Links within the page change the view without loading it anew; all keys that mean "another tab" stay the browser's. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    ) {
      return
    }
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || link.origin !== location.origin || link.target !== '' || link.hasAttribute('download')) return
    if (link.pathname.startsWith('/api/') || (link.hash !== '' && link.pathname === location.pathname)) return
    event.preventDefault()
    go(link.pathname + link.search)
  })
}
