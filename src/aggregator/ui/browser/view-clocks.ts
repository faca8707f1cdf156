import { h } from './dom.ts'
import type { View } from './view.ts'

export class ClocksView implements View {
  readonly element = h('div', 'view')
  show(): void {}
}
