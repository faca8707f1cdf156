import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClickHouseError } from '@clickhouse/client'
import { Delivery } from '../../src/aggregator/store/clickhouse-refusals.ts'

const PARSE = { code: '27', type: 'CANNOT_PARSE_INPUT_ASSERTION_FAILED', message: 'Cannot parse input' }
const PARTS = { code: '252', type: 'TOO_MANY_PARTS', message: 'Too many parts (3001) in table' }
const DAYS = {
  ...{ code: '252', type: 'TOO_MANY_PARTS' },
  message: "Too many partitions for single INSERT block. The limit is controlled by 'max_partitions_per_insert_block'",
}

/** A table that refuses inserts with `isBad` rows as a whole. */
function table(isBad: (row: number) => boolean) {
  const taken: number[] = []
  const it = {
    taken,
    inserts: 0,
    async insert(rows: readonly number[]): Promise<void> {
      it.inserts++
      if (rows.some(isBad)) throw new ClickHouseError(PARSE)
      taken.push(...rows)
    },
  }
  return it
}

const fits = async (): Promise<void> => {}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, row) => row)

test('refused rows are left out, all others are taken in order', async () => {
  const bad = [0, 7, 1000, 1001, 4095]
  const { insert, taken } = table((row) => bad.includes(row))
  const delivery = new Delivery(insert, fits)
  await delivery.batch(upTo(4096))
  assert.deepEqual(
    taken,
    upTo(4096).filter((row) => !bad.includes(row)),
  )
  assert.deepEqual(
    delivery.refused,
    bad.map((row) => ({ reason: 'cannot_parse_input_assertion_failed', rows: [row] })),
  )
})

test('one refused row of 4096 costs 24 inserts more', async () => {
  const it = table((row) => row === 2500)
  await new Delivery(it.insert, fits).batch(upTo(4096))
  assert.equal(it.inserts, 25)
})

test('a sender’s five hundred refused rows cost no other a row', async () => {
  const it = table((row) => row >= 300 && row < 800)
  await new Delivery(it.insert, fits).batch(upTo(4096))
  assert.equal(it.taken.length, 4096 - 500)
})

test('the search of a batch is bounded, whatever is in it', async () => {
  const it = table((row) => row % 2 === 0)
  const delivery = new Delivery(it.insert, fits)
  await delivery.batch(upTo(4096))
  assert.equal(it.inserts, 1025)
  const refused = delivery.refused.reduce((sum, { rows }) => sum + rows.length, 0)
  assert.equal(it.taken.length + refused, 4096)
})

test('nothing is left out of a table that would take no row, and one insert finds it', async () => {
  const it = table(() => true)
  const delivery = new Delivery(it.insert, async () => {
    throw new Error('no column fits')
  })
  await assert.rejects(delivery.batch(upTo(4096)), /no column fits/)
  assert.deepEqual([it.inserts, delivery.refused], [1, []])
})

test('a segment of refused rows alone is left out of a table that would take others', async () => {
  const it = table(() => true)
  let checks = 0
  const delivery = new Delivery(it.insert, async () => {
    checks++
  })
  await delivery.batch(upTo(4096))
  await delivery.batch(upTo(40))
  assert.equal(checks, 1)
  assert.equal(
    delivery.refused.reduce((sum, { rows }) => sum + rows.length, 0),
    4136,
  )
})

test('a table that took a row is not checked', async () => {
  const it = table((row) => row >= 4096)
  const delivery = new Delivery(it.insert, () => assert.fail('checked'))
  await delivery.batch(upTo(4096))
  await delivery.batch(upTo(8192).slice(4096))
  assert.equal(it.taken.length, 4096)
})

const OTHERS: Readonly<Record<string, unknown>> = {
  'a connection that is refused': Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  'a time that ran out': new Error('Timeout error.'),
  'the page of a gateway': new Error('<html>502 Bad Gateway: Code: 27</html>'),
  'too many parts': new ClickHouseError(PARTS),
  'a table that is read-only': new ClickHouseError({ code: '242', type: 'TABLE_IS_READ_ONLY', message: 'read-only' }),
  'memory that ran out': new ClickHouseError({ code: '241', type: 'MEMORY_LIMIT_EXCEEDED', message: 'memory' }),
  'a column that is not there': new ClickHouseError({ code: '16', type: 'NO_SUCH_COLUMN_IN_TABLE', message: 'none' }),
  'an unknown field': new ClickHouseError({ code: '117', type: 'INCORRECT_DATA', message: 'Unknown field found' }),
  // What a sender wrote is in the text, never in the code.
  'a type out of a span': new ClickHouseError({ code: '241', type: 'DECIMAL_OVERFLOW', message: 'Code: 407' }),
}

for (const [name, fault] of Object.entries(OTHERS)) {
  test(`${name} may pass: the batch is tried again as it is`, async () => {
    let inserts = 0
    const insert = async (): Promise<void> => {
      inserts++
      throw fault
    }
    const delivery = new Delivery(insert, fits)
    await assert.rejects(delivery.batch(upTo(100)), (error) => error === fault)
    assert.deepEqual([inserts, delivery.refused.length], [1, 0])
  })
}

test('what may pass ends the search: nothing behind it is left out', async () => {
  let inserts = 0
  const insert = async (): Promise<void> => {
    throw new ClickHouseError(++inserts < 3 ? PARSE : PARTS)
  }
  await assert.rejects(new Delivery(insert, fits).batch(upTo(100)), /Too many parts/)
  assert.equal(inserts, 3)
})

test('rows of more days than an insert may have are taken in several', async () => {
  const taken: number[] = []
  const insert = async (rows: readonly number[]): Promise<void> => {
    if (rows.length > 100) throw new ClickHouseError(DAYS)
    taken.push(...rows)
  }
  const delivery = new Delivery(insert, fits)
  await delivery.batch(upTo(4096))
  assert.deepEqual([taken, delivery.refused], [upTo(4096), []])
})

test('portions are named alike whenever the batch is tried', async () => {
  const names = async (): Promise<string[]> => {
    const seen: string[] = []
    const it = table((row) => row === 5)
    const insert = (rows: readonly number[], portion: string): Promise<void> => {
      seen.push(portion)
      return it.insert(rows)
    }
    await new Delivery(insert, fits).batch(upTo(8))
    return seen
  }
  assert.deepEqual(await names(), ['', '-0-4', '-4-4', '-4-2', '-4-1', '-5-1', '-6-2'])
  assert.deepEqual(await names(), await names())
})
