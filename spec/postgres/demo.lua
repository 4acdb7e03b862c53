--- demo: three runners migrate 600 mirrors together, at one quota and over a PostgreSQL server of their own. One is
--- killed, one is cut off for longer than its lease and comes back. `make demo-team` runs it; nothing stays behind.

package.path = "./?.lua;./?/init.lua;./lib/?.lua;./lib/?/init.lua;" .. package.path
package.cpath = (os.getenv("KMIRROR_BUILD") or "build") .. "/?.so;" .. package.cpath

local cjson = require("cjson")
local postgres = require("spec.support.postgres")
local support = require("spec.support")

local MIRRORS <const>, RATE <const>, LEASE <const> = 600, 35, "8"
local began = support.now()

local function say(format, ...)
    print(("%6.1f s  "):format(support.now() - began) .. format:format(...))
    io.stdout:flush()
end

local function kmirror(words)
    local result = support.run(words)
    if result.status ~= 0 then
        error(("%s: %s"):format(table.concat(words, " "), result.stderr), 0)
    end
    return result.stdout
end

-- ---- a world ------------------------------------------------------------------------------------------------

local function mirrors_file()
    local lines = { "sourceAlias,kafkaSource,to,topicsRegex,useRenaming,usePrivateIps,maxTasks,targetLatency\n" }
    for i = 1, MIRRORS do
        lines[i + 1] = ("us-west,5a9b1c52-0000-4000-8000-000000000001,%s,team-%d\\..*,false,false,3,45000\n"):format(
            support.us_east, i)
    end
    return support.temporary("mirrors.csv", table.concat(lines))
end

-- Each runner is a user of the database, and has a home of its own, as on a machine of its own: what they share is the
-- store.
local function runner(server, sandbox, user)
    local home = support.temporary_directory(user)
    local env = sandbox:env()
    env.HOME, env.XDG_STATE_HOME, env.XDG_CONFIG_HOME, env.KMIRROR_LEASE = home, home, home, LEASE
    env.KMIRROR_API, env.KMIRROR_STORE = "v2", server:url("team", user)
    return { user = user, env = env }
end

local function begin(each, words)
    words.env = each.env
    each.process = support.start(words)
    return each
end

-- ---- what was done ------------------------------------------------------------------------------------------

-- By the sandbox's own log: how many creates took effect, of how many mirrors, and how often the rate was exceeded.
local function tally(sandbox)
    local creates, distinct, mirrors, rejected, requests = 0, 0, {}, 0, 0
    for _, request in ipairs(sandbox:requests()) do
        requests = requests + 1
        rejected = rejected + (request.status == 429 and 1 or 0)
        local made = request.operation == "create" and request.effect
        if made and made.change == "created" then
            creates = creates + 1
            distinct = distinct + (mirrors[made.topicsRegex] and 0 or 1)
            mirrors[made.topicsRegex] = true
        end
    end
    return { creates = creates, distinct = distinct, rejected = rejected, requests = requests }
end

local function wait_for_creates(sandbox, count)
    support.eventually(count .. " mirrors", function() return tally(sandbox).creates >= count end, 120)
end

local function finish(each)
    local result = each.process:wait(180)
    say("%s's runner has ended with status %d; it says last:\n", each.user, result.status)
    local last = result.status == 0 and result.stdout:match("(Migration of [^\n]+)")
        or result.stderr:match("([^\n]+)\n$")
    print((last or ""):gsub("/[%w/.-]*/%d+%-(mirrors.csv)", "%1") .. "\n")
    return result.status
end

-- The runs of the job, without its changes.
local function show_runs(env)
    local job = cjson.decode(kmirror { "jobs", "show", "weekend", "--json", env = env })
    local row = "%3s  %-12s %-16s %6s  %-8s %s"
    print(row:format("RUN", "STATE", "BY", "DONE", "VERSION", "REASON"))
    for _, run in ipairs(job.history) do
        print(row:format(math.tointeger(run.number), run.state, run.user .. "@" .. run.host,
            math.tointeger(run.done), run.version, run.reason))
    end
    print()
end

local function show(sandbox, alice)
    say("kmirror jobs show weekend: who did what\n")
    show_runs(alice.env)
    local found = tally(sandbox)
    local listed = select(2, kmirror { "list", env = alice.env }:gsub("\n", ""))
    print(("%d mirrors there, %d creates, %d of them twice; %d requests, %d answered with 429"):format(listed,
        found.creates, found.creates - found.distinct, found.requests, found.rejected))
    return listed == MIRRORS and found.creates == MIRRORS and found.distinct == MIRRORS and found.rejected == 0
end

-- ---- the demo -----------------------------------------------------------------------------------------------

local function demo()
    say("PostgreSQL starts, in a folder for temporary files")
    local server = postgres.start()
    server:sql("CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN")
    server:sql "CREATE DATABASE team"
    for _, user in ipairs { "alice", "bob", "carol" } do
        kmirror { "store", "init", "--grant", user, "--store", server:url("team") }
    end
    local sandbox = support.sandbox { world = 0, rate = RATE, creating_seconds = 2, sync_seconds = 1 }
    say("a sandbox starts that takes %d requests in any one second from all of them", RATE)
    local file = mirrors_file()
    local words = { "run", "--job", "weekend", "--join", "--reason", "OPS-17", "migrate", file }

    say("alice, bob and carol each run, with KMIRROR_STORE=%s", server:url("team", "…"))
    print("\n    kmirror run --job weekend --join --reason OPS-17 migrate mirrors.csv\n")
    local alice = begin(runner(server, sandbox, "alice"), words)
    local bob = begin(runner(server, sandbox, "bob"), words)
    local carol = begin(runner(server, sandbox, "carol"), words)

    wait_for_creates(sandbox, MIRRORS // 4)
    print("\n" .. kmirror { "jobs", env = alice.env })
    say("carol's runner is cut off: it stands still for longer than its lease (%s s)", LEASE)
    carol.process:signal("STOP")
    wait_for_creates(sandbox, MIRRORS // 2)
    say("kill -9 of bob's runner")
    bob.process:signal("KILL")
    bob.process:wait()
    support.sleep(tonumber(LEASE) + 3)
    say("carol's runner comes back")
    carol.process:signal("CONT")
    finish(carol)
    say("carol runs kmirror jobs resume weekend")
    begin(carol, { "jobs", "resume", "weekend" })
    local statuses = finish(alice) + finish(carol)
    return show(sandbox, alice) and statuses == 0
end

local ok, good = pcall(demo)
if not ok then print(good) end
support.clean_up()
os.exit(ok and good and 0 or 1)
