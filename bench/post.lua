-- What wrk posts: visits of `bodies` bodies each, `open` of them at a time, so that one session comes back again and again.
-- Arguments: the file with what follows the session id in each body of a visit, a name for this run, how many are open.
local ends, run, open, sent = {}, "", 1, 0

function init(arguments)
  for line in io.lines(arguments[1]) do ends[#ends + 1] = line end
  run, open = arguments[2], tonumber(arguments[3])
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/plain;charset=UTF-8"
end

function request()
  local visit = math.floor(sent / (open * #ends)) * open + sent % open
  local step = math.floor(sent / open) % #ends
  sent = sent + 1
  wrk.body = '{"session":"' .. run .. "-" .. visit .. '"' .. ends[step + 1]
  return wrk.format()
end

function done(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    failed.status, failed.connect + failed.read + failed.write + failed.timeout))
end
