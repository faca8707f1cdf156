/** Diagnoses of services themselves: their code, their load, what they depend on. */
import { rowsOf } from './diagnosis-entry.ts'

const application = rowsOf('application')
const overload = rowsOf('overload')
const overloadIncident = rowsOf('overload', ['incident'])
const dependency = rowsOf('dependency')

export const SERVICE_DIAGNOSES = {
  server_error: application(
    'answers 5xx by itself',
    'The service fails requests, and none of its own calls failed before.',
    'Hops of status 5xx without a failed call beneath.',
    'Logs of the service with the trace id, what was deployed or configured at the onset, the route if only one is hit.',
  ),
  exception: rowsOf('application', ['trace'])(
    'exception',
    'Code of the service threw, and the request failed by it.',
    'A span with an exception event, and no failed call beneath.',
    'The stack in the event; what was deployed at the onset.',
  ),
  client_error: application(
    'refuses what its caller sends',
    'The service answers 4xx: the caller sends what it does not take, or what the other does not have.',
    'Calls that fail by status 4xx while the service itself has no fault.',
    'What changed at the caller; contract and versions of both; credentials that ran out (401, 403).',
  ),
  grpc_error: application(
    'fails calls with a gRPC status',
    'The service ended calls with a status that blames itself (INTERNAL, UNKNOWN, UNIMPLEMENTED, DATA_LOSS).',
    'Hops with that status without a failed call beneath.',
    'Logs of the service; for UNIMPLEMENTED the versions of both sides.',
  ),
  bad_response: application(
    'answers what is no HTTP',
    'What came back broke the protocol, or ended before its announced length.',
    'Hops that fail with a bad_response code in the wait or receive phase.',
    'Crashes while writing, servers that speak another protocol on the port, Content-Length against what is sent.',
  ),
  slow_service: application(
    'slow by itself',
    'The service takes longer, and not because of its calls.',
    'Time of the service in which none of its calls ran; it grew, calls beneath it did not.',
    'CPU and its throttling, locks, garbage collection, a query that lost its index, stores that are called untraced.',
  ),
  unsteady_service: rowsOf('application', ['incident'])(
    'slow now and then',
    'Part of the requests takes much longer in the service itself; the rest is as ever.',
    'The spread of its own time grew, the middle did not.',
    'Pauses (garbage collection, compaction, cron), one bad instance of several, cold caches, locks.',
  ),
  periodic_pauses: rowsOf('application', ['incident'])(
    'pauses at intervals',
    'All requests of an instance stop for a moment, again and again.',
    'Slow requests that begin at different times and end together, at even intervals.',
    'Garbage collection logs, memory close to its limit, timers and cron jobs.',
  ),
  upstream_timeout: dependency(
    'no answer in time (504)',
    'The call was given up before its answer came.',
    'A hop that fails by timeout in the wait phase; what ran beneath it at that time is named with it.',
    'The slowest hop beneath; then whether the timeout fits what that route takes on a good day.',
  ),
  deadline_exceeded: dependency(
    'deadline exceeded',
    'The time that the first caller gave was over before the work was done.',
    'Hops with DEADLINE_EXCEEDED; the hop that used most of the time is named with it.',
    'The slowest hop beneath, then the deadline: is it handed on, and does it fit?',
  ),
  slow_dependency: dependency(
    'waits for something untraced',
    'A callee that sends no spans of its own takes longer.',
    'Calls without a span of the other side, whose wait phase grew.',
    'The callee itself: its own metrics and logs. A sidecar there would show where.',
  ),
  dependency_failing: dependency(
    'something untraced fails',
    'A callee that sends no spans of its own answers with errors.',
    'Calls without a span of the other side, that fail by status.',
    'The callee itself: its logs. A sidecar there would show where.',
  ),
  pool_exhausted: overload(
    'waits for a free connection',
    'All connections to the upstream are taken; calls queue or are turned away.',
    'A queue phase that grew, or calls refused for want of a connection.',
    'Who holds the connections: slow answers beneath, a leak, or a pool too small for rate × duration.',
  ),
  overloaded: overload(
    'turns calls away for its load',
    'A limit of the service or its proxy is reached, and calls are shed (503, RESOURCE_EXHAUSTED).',
    'Hops that fail by the codes `overloaded` or `queue_timeout`, or by 503 in a moment.',
    'Rate against what it is built for, retries that multiply it, scaling.',
  ),
  rate_limited: overload(
    'rate limit',
    'A limiter turned the call away (429).',
    'Hops of status 429.',
    'Who sends so much; whether the limit is meant for it.',
  ),
  circuit_open: overload(
    'circuit breaker is open',
    'Calls are not even tried, since too many failed before.',
    'Hops that fail by the breaker without an attempt.',
    'What failed before it opened: that is the cause.',
  ),
  retry_storm: overloadIncident(
    'retry storm',
    'Failures are answered by more calls, which fail too: the load is of the system’s own making.',
    'Calls per request grew several times over together with the share of failures.',
    'The first failing hop; then retry budgets, back-off, and retries on more than one level.',
  ),
  noisy_client: overloadIncident(
    'one client starves the rest',
    'A single caller takes most of what a service can do.',
    'A service that became slow or sheds load, one caller whose calls multiplied, others that call as ever.',
    'That caller’s job; limits per client.',
  ),
  descriptors_short: overload(
    'file descriptors or conntrack run out',
    'New sockets cannot be made, or connections are forgotten.',
    'Failures with EMFILE or ENFILE; before any, four fifths of the limit in use as the proxy counts.',
    '`ls /proc/PID/fd | wc -l` against `ulimit -n`; `conntrack -C` against `nf_conntrack_max`.',
  ),
} as const
