-- POSTs with a body of 200 bytes; Idempotency-Key: same.
wrk.method = "POST"
wrk.body = string.rep("0123456789", 20)
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer the-same-principal-for-all"
wrk.headers["Idempotency-Key"] = "the-same-for-all"
done = function(summary, latency, requests)
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"failed":%d,"brokenConnections":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.timeout,
    summary.errors.connect + summary.errors.read + summary.errors.write))
end
