/** What a view is to the page around it. */
import type { Place } from './location.ts'

export interface View {
  readonly element: HTMLElement
  /** The address changed within the view; called once at the start too. */
  show(place: Place): void
  /** Ask again. */
  refresh?(): void
  /** A key that nothing else took; true where it was used. */
  key?(event: KeyboardEvent): boolean
  /** Where the focus belongs at first. */
  focus?(): void
  close?(): void
}
