/** Keys, on `?`. */
import { h } from './dom.ts'

type Keys = readonly (readonly [string, string])[]

const EVERYWHERE: Keys = [
  ['/', 'to the filters'],
  ['r', 'refresh'],
  ['Escape', 'from a field to the list; close what is open'],
  ['?', 'this help'],
]
const LISTS: Keys = [
  ['↑ ↓ or k j', 'move'],
  ['PageUp PageDown Home End', 'move far'],
  ['Enter', 'open the trace'],
  ['Space', 'live: pause and go on'],
]
const TRACE: Keys = [
  ['← →', 'fold, unfold, to the parent, to the first child'],
  ['[ ]', 'fold all, unfold all'],
  ['e', 'next failed span'],
  ['+ − 0', 'zoom in, out, all'],
  ['z', 'zoom to the span'],
  ['Shift ← →', 'move in time'],
]

export function helpDialog(views: Keys): HTMLDialogElement {
  const dialog = h(
    'dialog',
    {
      class: 'help',
      attrs: { 'aria-label': 'Keys' },
      on: { click: (event) => event.target === dialog && dialog.close() },
    },
    h(
      'div',
      null,
      h('h2', null, 'Keys'),
      h('div', 'columns', part('Everywhere', [...EVERYWHERE, ...views]), part('Lists', LISTS), part('A trace', TRACE)),
      h('p', 'dim', 'The address holds what is shown: a copied link opens the same view.'),
      h('form', { attrs: { method: 'dialog' } }, h('button', 'quiet', 'Close')),
    ),
  )
  return dialog
}

function part(title: string, keys: Keys): HTMLElement {
  return h(
    'section',
    null,
    h('h3', null, title),
    h(
      'dl',
      'keys',
      ...keys.flatMap(([key, what]) => [h('dt', null, ...key.split(' ').flatMap(keyCap)), h('dd', null, what)]),
    ),
  )
}

const keyCap = (key: string): (HTMLElement | string)[] => (key === 'or' ? [' or '] : [h('kbd', null, key), ' '])
