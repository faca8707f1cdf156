-- Only `done` is defined, so that wrk keeps its fast path for every request.
done = function(summary, latency, requests)
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"failed":%d,"brokenConnections":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status + summary.errors.timeout,
    summary.errors.connect + summary.errors.read + summary.errors.write))
end
