/** What ClickHouse refuses for good: the batch is halved until the rows are found that it does not take; all others arrive, in order. */
import { ClickHouseError } from '@clickhouse/client'

/**
 * Exceptions that a row itself causes where the table fits, by their code: it is refused whenever it comes. All else may
 * pass, and is tried again: a server that is away, busy, read-only or out of memory, and a table or a user that an operator
 * has to mend. By code, since the text around it may hold what senders wrote.
 */
const OF_A_ROW: ReadonlyMap<string, string> = new Map([
  ['6', 'cannot_parse_text'],
  ['25', 'cannot_parse_escape_sequence'],
  ['26', 'cannot_parse_quoted_string'],
  ['27', 'cannot_parse_input_assertion_failed'],
  ['38', 'cannot_parse_date'],
  ['41', 'cannot_parse_datetime'],
  ['69', 'argument_out_of_bound'],
  ['70', 'cannot_convert_type'],
  ['72', 'cannot_parse_number'],
  ['128', 'too_large_array_size'],
  ['130', 'cannot_read_array_from_text'],
  ['131', 'too_large_string_size'],
  ['190', 'sizes_of_arrays_dont_match'],
  ['321', 'value_is_out_of_range_of_data_type'],
  ['349', 'cannot_insert_null_in_ordinary_column'],
  ['407', 'decimal_overflow'],
  ['467', 'cannot_parse_bool'],
  ['469', 'violated_constraint'],
  ['691', 'unknown_element_of_enum'],
])
/** Too many parts: of the table, which passes; or days in one insert, which fewer rows do not have. */
const TOO_MANY_PARTS = '252'
const TOO_MANY_DAYS = 'max_partitions_per_insert_block'

/**
 * Inserts beyond the first of a batch, in search of refused rows: 24 find one among 4096, 1024 some five hundred that stand
 * together. Behind them what is refused is left out as it is, good rows with the bad.
 */
const MAX_EXTRA_INSERTS = 1024

/** Rows that were refused for good. */
export interface Refused<Row> {
  readonly reason: string
  readonly rows: readonly Row[]
}

/** Rejects where the rows are not there. `portion` names these of their batch, always alike; '' are all of it. */
export type Insert<Row> = (rows: readonly Row[], portion: string) => Promise<void>

/** Rejects where the table would not take a row that nothing is wrong with. */
export type CheckTable = () => Promise<void>

/** The rows of one segment on their way. */
export class Delivery<Row> {
  readonly refused: Refused<Row>[] = []
  readonly #insert: Insert<Row>
  readonly #checkTable: CheckTable
  /** It took a row, or would have. */
  #tableFits = false
  #extraInserts = 0

  constructor(insert: Insert<Row>, checkTable: CheckTable) {
    this.#insert = insert
    this.#checkTable = checkTable
  }

  /**
   * One after the other. Rejects where it may pass later, with what was taken so far in the table: nothing is left out of a
   * table that takes no row, until someone mends it.
   */
  async batch(rows: readonly Row[]): Promise<void> {
    this.#extraInserts = 0
    await this.#deliver(rows, 0, '')
  }

  async #deliver(rows: readonly Row[], from: number, portion: string): Promise<void> {
    const fault = await this.#try(rows, portion)
    if (fault === undefined) return
    const reason = reasonOf(fault)
    if (reason === undefined && !hasTooManyDays(fault)) throw fault
    if (reason !== undefined) await this.#checkOnce()
    if (rows.length > 1 && (reason === undefined || this.#maySearch())) {
      // Days need no search and no bound: a part a day is made either way.
      if (reason !== undefined) this.#extraInserts += 2
      const middle = rows.length >> 1
      await this.#deliver(rows.slice(0, middle), from, `-${from}-${middle}`)
      return this.#deliver(rows.slice(middle), from + middle, `-${from + middle}-${rows.length - middle}`)
    }
    if (reason === undefined) throw fault
    this.refused.push({ reason, rows })
  }

  /** The same exceptions come of a column of another type. */
  async #checkOnce(): Promise<void> {
    if (this.#tableFits) return
    await this.#checkTable()
    this.#tableFits = true
  }

  async #try(rows: readonly Row[], portion: string): Promise<unknown> {
    try {
      await this.#insert(rows, portion)
    } catch (error) {
      return error ?? new Error('an insert failed')
    }
    this.#tableFits = true
    return undefined
  }

  #maySearch(): boolean {
    return this.#extraInserts + 2 <= MAX_EXTRA_INSERTS
  }
}

/** Why these rows are refused for good; undefined where it may pass. */
function reasonOf(fault: unknown): string | undefined {
  return fault instanceof ClickHouseError ? OF_A_ROW.get(fault.code) : undefined
}

function hasTooManyDays(fault: unknown): boolean {
  return fault instanceof ClickHouseError && fault.code === TOO_MANY_PARTS && fault.message.includes(TOO_MANY_DAYS)
}
