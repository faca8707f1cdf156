-- POSTs with a body of 200 bytes; Idempotency-Key: unique.
wrk.method = "POST"
wrk.body = string.rep("0123456789", 20)
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer the-same-principal-for-all"

local count = 0
local run = tostring(os.time()) .. tostring(math.random(1000000))
request = function()
  count = count + 1
  wrk.headers["Idempotency-Key"] = run .. "-" .. count
  return wrk.format()
end
done = function(summary, latency, requests)
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"failed":%d,"brokenConnections":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.timeout,
    summary.errors.connect + summary.errors.read + summary.errors.write))
end
