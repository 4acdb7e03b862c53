--- record: writes down what a real mirror tells while its producer writes, stops, and writes again, and after its
--- source's broker was killed, against which the numbers of the sandbox are held. For a rig that runs:
---     lua5.4 spec/kafka/record.lua > spec/kafka/traces/mirror.csv       (five minutes)

package.path = "./?.lua;./?/init.lua;./lib/?.lua;./lib/?/init.lua;" .. package.path
package.cpath = (os.getenv("KMIRROR_BUILD") or "build") .. "/?.so;" .. package.cpath

local kafka = require("spec.kafka.kafka")
local socket = require("socket")
local support = require("spec.support")

local RATE <const>, STEP <const> = 200, 2 -- records a second; s
local east, west = kafka.east, kafka.west

kafka.clear()
local api = kafka.connect(east)
local topic = kafka.make_topic(west, kafka.name("trace"), 1)
local id = api:create(kafka.spec(east, topic, { useRenaming = false, maxTasks = 1 }))
kafka.wait_until_in_sync(api)
local first = kafka.producers(west, { topic }, RATE)
local second = kafka.producers(west, { topic }, RATE, first)

local function record(event, seconds)
    local began = socket.gettime()
    while socket.gettime() - began < seconds do
        local since, seen = socket.gettime() - began, api:get(id)
        local at = seen.topicStatuses[1] or {}
        local could, lag = pcall(function() return api:lag(id).recordsLeft end)
        print(("%s,%.1f,%s,%s,%s,%.2f,%s"):format(event, since, seen.status, seen.mirrorStatus,
            at.averageLatency or "", at.averageRate or 0, could and lag or ""))
        io.stdout:flush()
        socket.sleep(math.max(0, STEP - (socket.gettime() - began - since)))
    end
end

print("event,seconds,status,mirrorStatus,averageLatency,averageRate,recordsLeft")
os.execute(first.start)
record("started", 74)
os.execute(first.stop)
record("stopped", 74)
os.execute(second.start)
record("started again", 64)
kafka.rig("broker", "west", "kill")
os.execute(second.stop)
api = kafka.connect(east, { timeout = 1, retries = 0 })
record("broker killed", 74)
kafka.rig("broker", "west", "start")
kafka.clear()
support.clean_up()
