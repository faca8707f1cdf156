/** A process that claims one id many times at once, for tests across processes: `claiming-process.js URL`, told by messages. */
import { silentLogger } from '../../src/core/log.ts'
import { openStore } from '../../src/stores/open.ts'
import { claimRequest } from './requests.ts'

export interface Order {
  readonly id: string
  readonly claims: number
}

const store = await openStore(process.argv[2]!, { log: silentLogger, breaker: { budgetMs: 20_000 } })
process.on('message', (order: Order) => {
  void run(order).then((claimed) => process.send!(claimed))
})
process.on('disconnect', () => process.exit(0))
process.send!('ready')

async function run({ id, claims }: Order): Promise<number> {
  const results = await Promise.all(Array.from({ length: claims }, async () => store.claim(claimRequest(id))))
  return results.filter(({ kind }) => kind === 'claimed').length
}
