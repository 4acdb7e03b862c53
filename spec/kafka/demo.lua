--- demo: twenty topics between two regions of a real Kafka, under load; then a table of what was sent and what arrived.
--- `make kafka-demo` runs it: a planned failover and failback; with --disaster, a region is lost. All topics keep their
--- names.

package.path = "./?.lua;./?/init.lua;./lib/?.lua;./lib/?/init.lua;" .. package.path
package.cpath = (os.getenv("KMIRROR_BUILD") or "build") .. "/?.so;" .. package.cpath

local kafka = require("spec.kafka.kafka")
local socket = require("socket")
local support = require("spec.support")

local TOPICS <const>, RECORDS <const>, RATE <const> = 20, 10000, 150
local east, west = kafka.east, kafka.west
local began = socket.gettime()

local function say(format, ...)
    print(("%6.1f s  "):format(socket.gettime() - began) .. format:format(...))
end

-- Topics in west, each with a mirror into east.
local function mirrored_topics()
    local api, topics = kafka.connect(east), {}
    say("making %d topics in west, and mirrors of them into east", TOPICS)
    for i = 1, TOPICS do topics[i] = kafka.name("orders") end
    kafka.make_topics(west, topics)
    for _, topic in ipairs(topics) do
        api:create(kafka.spec(east, topic, { useRenaming = false }))
    end
    kafka.wait_until_in_sync(api)
    return topics
end

-- Runs kmirror. Returns what it says.
local function kmirror(words, env)
    words.env, words.timeout = env, 600
    local result = support.run(words)
    if result.status ~= 0 then
        error(("kmirror %s ended with %d:\n%s"):format(words[1], result.status, result.stderr), 0)
    end
    return result.stdout
end

-- A table of so many figures for each topic, and their sums.
local function show(topics, titles, figures_of)
    local row = "%-24s" .. (" %13s"):rep(#titles)
    print("\n" .. row:format("TOPIC", table.unpack(titles)))
    local all = {}
    for _, topic in ipairs(topics) do
        local figures = figures_of(topic)
        for i, figure in ipairs(figures) do all[i] = (all[i] or 0) + figure end
        print(row:format(topic, table.unpack(figures)))
    end
    print(row:format("all", table.unpack(all)))
    return all
end

-- ---- planned -----------------------------------------------------------------------------------------------

-- Runs a runbook between two sets of producers. Returns the seconds for which clients stood still.
local function turn(words, env, before, after)
    local stopped, started = support.temporary("stopped"), support.temporary("started")
    print(kmirror({ "run", "--yes", words[1], "--from", words[2], "--to", words[3],
        "--hook", ("fence=date +%%s.%%N > %s; %s"):format(stopped, before.stop),
        "--hook", ("clients=%s; date +%%s.%%N > %s"):format(after.start, started) }, env))
    return tonumber(support.read(started)) - tonumber(support.read(stopped))
end

local function planned(env, topics)
    local first = kafka.producers(west, topics, RATE)
    local second = kafka.producers(east, topics, RATE, first)
    local third = kafka.producers(west, topics, RATE, second, RECORDS)
    say("producers write %d records a second in west", TOPICS * RATE)
    os.execute(first.start)
    socket.sleep(15)
    say("failover west -> east")
    local there = turn({ "failover", "west", "east" }, env, first, second)
    say("clients are in east; they stood still for %.1f s", there)
    socket.sleep(15)
    say("failback east -> west")
    local back = turn({ "failback", "east", "west" }, env, second, third)
    say("clients are in west again; they stood still for %.1f s", back)
    os.execute(third.wait)
    say("all is written")
    for _, topic in ipairs(topics) do kafka.wait_for_records(east, topic, third.last(topic)) end
    socket.sleep(3) -- what comes twice comes late
    local all = show(topics, { "SENT", "ONCE IN WEST", "ONCE IN EAST", "LOST", "TWICE" }, function(topic)
        local last = third.last(topic)
        local in_west, in_east = kafka.tally(west, topic, 1, last), kafka.tally(east, topic, 1, last)
        return { last, in_west.once, in_east.once, in_west.lost + in_east.lost, in_west.more + in_east.more }
    end)
    print(("\nClients stood still for %.1f s (failover) and %.1f s (failback)."):format(there, back))
    return all[4] == 0 and all[5] == 0
end

-- ---- disaster ----------------------------------------------------------------------------------------------

-- What was seen last is all that can be known of a lost region: here it is seen after the last record. The mirrors are
-- stopped, and not paused: what is under way when one is paused is copied, but not recorded as copied until it resumes.
local function disaster(env, topics)
    local producers = kafka.producers(west, topics, RATE)
    say("producers write %d records a second in west", TOPICS * RATE)
    os.execute(producers.start)
    socket.sleep(15)
    say("the mirrors are stopped, as if the regions had lost each other; the producers go on")
    local ids = { "--yes", "stop" }
    for i, listed in ipairs(kafka.connect(east):list()) do ids[i + 2] = listed.id end
    kmirror(ids, env)
    socket.sleep(5)
    os.execute(producers.stop)
    local left = 0
    for records in kmirror({ "lag" }, env):gmatch("\t\t\t\t(%d+)\n") do
        left = left + tonumber(records)
    end
    say("kmirror lag, which notes down where the topics end: %d records left", left)
    say("kill -9 of west's broker and its Kafka Connect worker")
    kafka.rig("broker", "west", "kill")
    kafka.rig("worker", "west", "kill")
    say("failover --disaster west -> east")
    local told = kmirror({ "run", "--yes", "failover", "--disaster", "--no-reverse", "--from", "west", "--to", "east" },
        env)
    print(told)
    local predicted = math.tointeger(tonumber(told:match("May be missing in east: at least (%d+) record")))
    say("west's broker starts again, to count what it has and east has not")
    kafka.rig("broker", "west", "start")
    local all = show(topics, { "SENT", "IN WEST", "IN EAST", "MISSING" }, function(topic)
        local last = producers.last(topic)
        kafka.wait_for_records(west, topic, last) -- once the broker is up
        local in_west, in_east = kafka.tally(west, topic, 1, last), kafka.tally(east, topic, 1, last)
        return { last, in_west.once, in_east.once, in_east.lost }
    end)
    print(("\nPredicted to be missing: %s records. Missing: %d."):format(predicted, all[4]))
    return predicted == all[4] and all[4] > 0
end

local env = kafka.home()
kafka.clear()
local run = arg[1] == "--disaster" and disaster or planned
local good = run(env, mirrored_topics())
kafka.clear()
support.clean_up()
os.exit(good and 0 or 1)
