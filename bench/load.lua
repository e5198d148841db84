-- What wrk sends. Without arguments: GET. With: POST of visits, as `load.py` says.
--   visit FILE RUN OPEN   sessions of as many bodies as FILE has lines (each what follows the session id), OPEN at a time
--   ask FIRST COUNT       the ids of COUNT stored sessions, one after the other, from number FIRST on
local ends, sent = {}, 0

local function visit(run, open)
  local number = math.floor(sent / (open * #ends)) * open + sent % open
  local step = math.floor(sent / open) % #ends
  return '{"session":"' .. run .. "-" .. number .. '"' .. ends[step + 1]
end

function init(arguments)
  local kind = arguments[1]
  if not kind then return end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/plain;charset=UTF-8"
  wrk.headers["Origin"] = "https://shop.example"
  if kind == "visit" then
    for line in io.lines(arguments[2]) do ends[#ends + 1] = line end
  end
  function request()
    wrk.body = kind == "visit" and visit(arguments[3], tonumber(arguments[4]))
      or string.format("stored-%07d", tonumber(arguments[2]) + sent % tonumber(arguments[3]))
    sent = sent + 1
    return wrk.format()
  end
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    failed.status, failed.connect + failed.read + failed.write + failed.timeout))
end
