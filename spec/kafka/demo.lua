--- demo: a planned failover and failback of twenty topics between two regions of a real Kafka, under load; then a table
--- of what was sent and what arrived. `make kafka-demo` runs it. All topics keep their names.

package.path = "./?.lua;./?/init.lua;./lib/?.lua;./lib/?/init.lua;" .. package.path
package.cpath = (os.getenv("KMIRROR_BUILD") or "build") .. "/?.so;" .. package.cpath

local kafka = require "spec.kafka.kafka"
local socket = require "socket"
local support = require "spec.support"

local TOPICS <const>, RECORDS <const>, RATE <const> = 20, 10000, 150
local east, west = kafka.east, kafka.west
local began = socket.gettime()

local function say(format, ...)
    print(("%6.1f s  "):format(socket.gettime() - began) .. format:format(...))
end

-- Topics in west, each with a mirror into east.
local function mirrored_topics()
    local api, topics = kafka.connect(east), {}
    for i = 1, TOPICS do topics[i] = kafka.name("orders") end
    kafka.make_topics(west, topics)
    for _, topic in ipairs(topics) do api:create(kafka.spec(east, topic, { useRenaming = false })) end
    kafka.wait_until_in_sync(api)
    return topics
end

-- Runs a runbook between two sets of producers. Returns the seconds for which clients stood still.
local function turn(words, env, before, after)
    local stopped, started = support.temporary("stopped"), support.temporary("started")
    local result = support.run { "run", "--yes", words[1], "--from", words[2], "--to", words[3], "--offset-sync", "5",
        "--max-lag", "100000000", "--hook", ("fence=date +%%s.%%N > %s; %s"):format(stopped, before.stop),
        "--hook", ("clients=%s; date +%%s.%%N > %s"):format(after.start, started), env = env, timeout = 600 }
    io.stdout:write(result.stdout)
    if result.status ~= 0 then error(("%s ended with %d:\n%s"):format(words[1], result.status, result.stderr), 0) end
    return tonumber(support.read(started)) - tonumber(support.read(stopped))
end

local function show(topics)
    local row = "%-24s %9s %13s %13s %6s %6s"
    print("\n" .. row:format("TOPIC", "SENT", "ONCE IN WEST", "ONCE IN EAST", "LOST", "TWICE"))
    local all = { 0, 0, 0, 0, 0 }
    for _, topic in ipairs(topics) do
        local there, here = kafka.tally(west, topic, 1, RECORDS), kafka.tally(east, topic, 1, RECORDS)
        local figures = { RECORDS, there.once, here.once, there.lost + here.lost, there.more + here.more }
        for i, figure in ipairs(figures) do all[i] = all[i] + figure end
        print(row:format(topic, table.unpack(figures)))
    end
    print(row:format("all", table.unpack(all)))
    return all[4] == 0 and all[5] == 0
end

local env = kafka.home()
kafka.clear()
say("making %d topics in west, and mirrors of them into east", TOPICS)
local topics = mirrored_topics()
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
say("all is written: %d records", TOPICS * RECORDS)
for _, topic in ipairs(topics) do kafka.wait_for_records(east, topic, RECORDS) end
socket.sleep(3) -- what comes twice comes late
local good = show(topics)
print(("\nClients stood still for %.1f s (failover) and %.1f s (failback), each with 5 s for a sync of group offsets.")
    :format(there, back))
kafka.clear()
support.clean_up()
os.exit(good and 0 or 1)
