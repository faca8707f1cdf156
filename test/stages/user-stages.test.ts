import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProxyError } from '../../src/core/errors.ts'
import { ANSWERED, CONTINUE, type Stage } from '../../src/exchange/stage.ts'
import { field, fields } from '../support/client.ts'
import { Origin, ok } from '../support/origin.ts'
import { chain, problem } from '../support/proxy.ts'

const GET = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody'

test('an answer of a stage goes out and nothing goes upstream', async (t) => {
  const { origin, proxy, dial } = await chain(t, await Origin.answering(() => ok('x')), {
    stages: [
      {
        name: 'answers',
        role: 'decide',
        onRequestHead(x) {
          x.answer = { status: 203, headers: [['X-By', 'stage']], body: 'made here' }
          return ANSWERED
        },
      },
    ],
  })
  const client = await dial()
  for (let i = 0; i < 2; i++) {
    client.send(GET)
    const response = await client.message()
    assert.equal(response.status, 203)
    assert.equal(response.body, 'made here')
    assert.equal(field(response, 'x-by'), 'stage')
    assert.ok(field(response, 'x-request-id'))
  }
  client.send(POST)
  const toPost = await client.message()
  assert.equal(field(toPost, 'connection'), 'close', 'the body was not read')
  assert.equal(await client.ended(), 'fin')
  assert.equal(origin.connections.length, 0)
  assert.ok((await proxy.finished(3)).every(({ phases }) => phases.queue === undefined))
})

test('a refusal of a stage becomes its problem', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => ok('x')), {
    stages: [
      {
        name: 'refuses',
        role: 'decide',
        async onRequestHead(x) {
          await sleep(10)
          x.refusal = new ProxyError('overloaded', 'head', 'by a stage')
          return ANSWERED
        },
      },
    ],
  })
  const client = await dial()
  client.send(GET)
  const response = await client.message()
  assert.equal(response.status, 503)
  assert.equal(problem(response.body).detail, 'by a stage')
})

test('a stage may wait at the request head: the body waits with it', async (t) => {
  const seen: string[] = []
  const { dial } = await chain(t, await Origin.answering(({ body }) => ok(body)), {
    stages: [
      {
        name: 'waits',
        role: 'decide',
        async onRequestHead() {
          await sleep(30)
          seen.push('head')
          return CONTINUE
        },
        onRequestData(_x, chunk) {
          seen.push(chunk.toString())
          return undefined
        },
      },
    ],
  })
  const client = await dial()
  client.send(POST + POST + GET)
  for (const body of ['body', 'body', '']) assert.equal((await client.message()).body, body)
  assert.deepEqual(seen, ['head', 'body', 'head', 'body', 'head'])
})

const HOOKS = ['onRequestHead', 'onRequestData', 'onResponseHead', 'onResponseData', 'onResponseEnd'] as const

for (const hook of HOOKS) {
  const throwing = (role: Stage['role']): Stage => ({
    name: 'thrower',
    role,
    [hook]: () => {
      throw new Error('by a test')
    },
  })

  test(`an observer that throws in ${hook} harms nothing`, async (t) => {
    const { proxy, dial } = await chain(t, await Origin.answering(({ body }) => ok(`${body}!`)), {
      stages: [throwing('observe')],
    })
    const client = await dial()
    for (let i = 0; i < 2; i++) {
      client.send(POST)
      assert.equal((await client.message()).body, 'body!')
    }
    assert.ok(proxy.complaints.includes('fault of thrower'))
  })

  test(`a decider that throws in ${hook} fails its exchange, and no other`, async (t) => {
    const { proxy, dial } = await chain(t, await Origin.answering(({ body }) => ok(`${body}!`)), {
      stages: [throwing('decide')],
    })
    const client = await dial()
    client.send(POST)
    if (hook === 'onResponseData' || hook === 'onResponseEnd') {
      assert.equal(await client.ended(), 'reset')
    } else {
      const response = await client.message()
      assert.equal(response.status, 500)
      assert.equal(problem(response.body).code, 'stage_failed')
    }
    const [failed] = await proxy.finished(1)
    assert.equal(failed?.error?.code, 'stage_failed')
    assert.equal(proxy.plane.active, 0)
  })
}

test('a promise that rejects counts as a throw', async (t) => {
  const { dial } = await chain(t, await Origin.answering(() => ok('x')), {
    stages: [{ name: 'rejects', role: 'decide', onRequestHead: () => Promise.reject(new Error('by a test')) }],
  })
  const client = await dial()
  for (let i = 0; i < 2; i++) {
    client.send(GET)
    assert.equal(problem((await client.message()).body).code, 'stage_failed')
  }
})

test('an answer that cannot be sent fails its exchange alone, also where the stage waited', async (t) => {
  const good = { status: 200, headers: [], body: '' }
  const answers: unknown[] = [
    { ...good, headers: [['Location', '/a\nb']] },
    { ...good, headers: undefined },
    { ...good, status: 101 },
    { ...good, body: undefined },
    { ...good, headers: [['content-length', '5']] },
    { ...good, headers: [['Content-Length', '3']], body: 'more' },
    {
      ...good,
      headers: [
        ['Content-Length', '4'],
        ['Content-Length', '5'],
      ],
      body: 'more',
    },
    { ...good, headers: [['Transfer-Encoding', 'chunked']], body: 'more' },
  ]
  const { dial } = await chain(t, await Origin.answering(() => ok('x')), {
    stages: [
      {
        name: 'answers',
        role: 'decide',
        async onRequestHead(x) {
          x.answer = answers.shift() as typeof x.answer
          return ANSWERED
        },
      },
    ],
  })
  const client = await dial()
  for (let left = answers.length; left > 0; left--) {
    client.send(GET)
    assert.equal(problem((await client.message()).body).code, 'stage_failed')
  }
})

test('a length that a stage may state is stated once', async (t) => {
  const length = (of: number): [string, string] => ['Content-Length', String(of)]
  const answers = [
    { status: 200, headers: [length(4)], body: 'more' },
    { status: 304, headers: [length(77)], body: '' },
    { status: 200, headers: [length(88)], body: '' },
  ] as const
  let next = 0
  const { dial } = await chain(t, await Origin.answering(() => ok('x')), {
    stages: [
      {
        name: 'answers',
        role: 'decide',
        onRequestHead(x) {
          x.answer = answers[next++]
          return ANSWERED
        },
      },
    ],
  })
  const client = await dial()
  for (const [method, stated] of [
    ['GET', '4'],
    ['GET', '77'],
    ['HEAD', '88'],
  ] as const) {
    client.send(GET.replace('GET', method))
    const message = await client.message({ bodiless: method === 'HEAD' })
    assert.deepEqual(fields(message, 'content-length'), [stated])
  }
})

test('what a stage says of the length of a body that passes by is corrected, both ways', async (t) => {
  for (const [name, value] of [
    ['Content-Length', '3'],
    ['transfer-encoding', 'chunked'],
  ] as const) {
    const { origin, dial } = await chain(
      t,
      await Origin.answering(({ body }) =>
        body === 'body' ? ok('answer') : 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nend\r\n0\r\n\r\n',
      ),
      {
        stages: [
          {
            name: 'claims',
            role: 'decide',
            onRequestHead(x) {
              x.request.headers.append(name, value)
              return CONTINUE
            },
            onResponseHead(_x, head) {
              head.headers.append(name, value)
              return undefined
            },
          },
        ],
      },
    )
    const client = await dial()
    client.send(POST)
    const first = await client.message()
    assert.deepEqual([first.body, fields(first, 'content-length')], ['answer', ['6']])
    assert.deepEqual(fields(first, 'transfer-encoding'), [])
    client.send(GET)
    const second = await client.message()
    assert.deepEqual([second.body, fields(second, 'transfer-encoding')], ['end', ['chunked']])
    assert.deepEqual(fields(second, 'content-length'), [])
    const seen = origin.requests.map((one) => [fields(one, 'content-length'), fields(one, 'transfer-encoding')])
    assert.deepEqual(seen, [
      [['4'], []],
      [[], []],
    ])
  }
})

test('a forgotten return counts as a throw', async (t) => {
  for (const role of ['decide', 'observe'] as const) {
    const forgetful = { name: 'forgetful', role, onRequestHead: () => undefined } as unknown as Stage
    const { proxy, dial } = await chain(t, await Origin.answering(() => ok('x')), { stages: [forgetful] })
    const client = await dial()
    client.send(GET)
    const { status, body } = await client.message()
    assert.equal(status, role === 'observe' ? 200 : 500)
    if (role === 'decide') assert.equal(problem(body).detail, 'stage forgetful')
    assert.ok(proxy.complaints.includes('fault of forgetful'))
  }
})

test('async hooks where nothing waits do not end the program by a rejection', async (t) => {
  const hooks = ['onRequestData', 'onResponseHead', 'onResponseData', 'onFinish']
  const reject = async (): Promise<never> => {
    throw new Error('by a test')
  }
  const { proxy, dial } = await chain(t, await Origin.answering(({ body }) => ok(`${body}!`)), {
    stages: hooks.map((hook) => ({ name: hook, role: 'observe', [hook]: reject })) as unknown as Stage[],
  })
  const client = await dial()
  for (let i = 0; i < 2; i++) {
    client.send(POST)
    assert.equal((await client.message()).body, 'body!')
  }
  await proxy.finished(2)
  for (const hook of hooks) assert.ok(proxy.complaints.includes(`fault of ${hook}`), hook)
})

test('a stage that waits at the response end holds back the last byte', async (t) => {
  for (const length of [1, 200_000]) {
    let release = (): void => {}
    const committed = new Promise<undefined>((resolve) => {
      release = () => resolve(undefined)
    })
    const { dial } = await chain(t, await Origin.answering(() => ok('x'.repeat(length))), {
      stages: [{ name: 'commits', role: 'decide', onResponseEnd: () => committed }],
    })
    const client = await dial()
    client.send(GET)
    await sleep(100)
    const before = client.unread.split('\r\n\r\n')[1]?.length ?? 0
    assert.ok(before < length, 'the whole body left before the stage was done')
    release()
    assert.equal((await client.message()).body.length, length)
  }
})

test('a client that leaves while a stage waits at the end', async (t) => {
  const { proxy, dial } = await chain(t, await Origin.answering(() => ok('x')), {
    stages: [{ name: 'waits', role: 'observe', onResponseEnd: () => sleep(100, undefined) }],
  })
  const client = await dial()
  client.send(GET)
  await sleep(30)
  client.reset()
  const [seen] = await proxy.finished(1)
  assert.equal(seen?.error?.code, 'client_closed')
  await sleep(100)
  assert.equal(proxy.exchanges.length, 1)
})

test('onFinish comes once for every exchange, in reverse order', async (t) => {
  const order: string[] = []
  const note = (name: string): Stage => ({
    name,
    role: 'observe',
    onFinish(x) {
      order.push(`${name} ${x.status}`)
      if (name === 'b') throw new Error('by a test')
      return undefined
    },
  })
  const { proxy, dial } = await chain(t, await Origin.answering(() => ok('x')), { stages: [note('a'), note('b')] })
  const client = await dial()
  client.send(`${GET}BAD\r\n\r\n`)
  await client.ended()
  await proxy.finished(2)
  assert.deepEqual(order, ['b 200', 'a 200', 'b 400', 'a 400'])
})
