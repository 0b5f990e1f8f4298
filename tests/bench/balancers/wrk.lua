-- What wrk has measured, as JSON: times in microseconds.
function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format('\n{"requests": %d, "duration": %d, "errors": %d, "p50": %d, "p90": %d, "p99": %d, "p99.9": %d}\n',
      summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9)))
end
