-- rate_postgres.lua: how much of the rate is used by runners that share it through PostgreSQL, which is MS (5)
-- milliseconds away, by the log of the server, a sandbox that accepts RATE requests in any one second; and what that is
-- to the database. `make rate-postgres` calls it.
--     RATE=35|auto LIMIT=35 RUNNERS="1 4 16" SECONDS_EACH=30 MS=5
package.path = "./?.lua;./?/init.lua;" .. package.path
local postgres = require("spec.support.postgres")
local support = require("spec.support")

local rate = os.getenv "RATE" or "35"
local limit = tonumber(os.getenv "LIMIT" or (rate == "auto" and "35" or rate))
local seconds = tonumber(os.getenv "SECONDS_EACH" or "30")
local delay = os.getenv "MS" or "5"

local client = support.temporary("client.lua", [[
local mirrors, task = require "mirrors", require "task"
local api = mirrors.connect()
local id = api:list()[1].id
pcall(task.timeout, tonumber((...)), function()
    local g <close> = task.group()
    for _ = 1, 64 do
        g:spawn(function() while true do api:get(id) end end)
    end
end)
]])

local server = postgres.start()
local proxy = support.start { command = "lua5.4", "spec/support/delay.lua", server.port, delay }
local port = support.eventually("the proxy's port", function() return proxy:stdout():match("(%d+)\n") end)
local near = server:url():gsub(":%d+/", ":" .. port .. "/")

-- Accepted, rejected, the most in any second, the longest pause between two, and the share of what was allowed from the
-- first to the last.
local function figures(requests)
    local times, rejected, most, first, longest = {}, 0, 0, 1, 0
    for _, entry in ipairs(requests) do
        if entry.status == 429 then rejected = rejected + 1 else times[#times + 1] = entry.time end
    end
    for last = 1, #times do
        while times[last] - times[first] >= 1 do first = first + 1 end
        most = math.max(most, last - first + 1)
        longest = math.max(longest, last > 1 and times[last] - times[last - 1] or 0)
    end
    return #times, rejected, most, longest, 100 * #times / (limit + (times[#times] - times[1]) * limit)
end

local function transactions(database)
    return tonumber(server:sql("SELECT xact_commit FROM pg_stat_database WHERE datname = '" .. database .. "'"))
end

print(("--rate %s, limit %g, %g s each, a database %s ms away, as the server saw it"):format(rate, limit, seconds,
    delay))
print("runners  accepted  429  most in 1 s    used  longest pause  transactions/s")
for runners in (os.getenv "RUNNERS" or "1 4 16"):gmatch("%d+") do
    local database = server:database()
    local env = { KMIRROR_STORE = (near:gsub("/postgres$", "/" .. database)), KMIRROR_API_KEY = "sandbox-full-key",
        KMIRROR_CLUSTER = support.us_east }
    local init = support.run { "store", "init", env = env }
    assert(init.status == 0, init.stderr)
    local sandbox = support.sandbox { rate = limit }
    env.KMIRROR_ENDPOINT = sandbox.url
    local before, processes = transactions(database), {}
    for i = 1, tonumber(runners) do
        env.KMIRROR_USERNAME, env.XDG_STATE_HOME = "sandbox", support.temporary_directory("state")
        processes[i] = support.start { "--rate", rate, "run", client, seconds, env = env }
    end
    local said = ""
    for _, process in ipairs(processes) do said = said .. process:wait(seconds + 30).stderr end
    support.sleep(1.2) -- statistics are written once in a second
    local accepted, rejected, most, longest, used = figures(sandbox:requests())
    print(("%7s  %8d  %3d  %11d  %4.1f %%  %11.3f s  %14.1f"):format(runners, accepted, rejected, most, used, longest,
        (transactions(database) - before) / seconds))
    if said ~= "" then io.stderr:write(said) end
    sandbox:stop()
end
proxy:signal("TERM")
server:stop()
