--- kafka: the real Kafka that `make test-kafka` has started (rig.sh), as its specs use it. Each spec has topics of its
--- own, so that they do not disturb one another.

local cjson = require("cjson")
local mirrors = require("mirrors")
local socket = require("socket")
local support = require("spec.support")
local admin = require("spec.kafka.topics")

local kafka = {}

kafka.west = { name = "west", broker = "127.0.0.1:29092", url = "http://127.0.0.1:28083",
    metrics = "http://127.0.0.1:28778/jolokia" }
kafka.north = { name = "north", broker = "127.0.0.1:17092", url = "http://127.0.0.1:17083",
    metrics = "http://127.0.0.1:17778/jolokia" } -- of an older version; see rig.sh
kafka.east = { name = "east", broker = "127.0.0.1:19092", url = "http://127.0.0.1:18083",
    metrics = "http://127.0.0.1:18778/jolokia" }

local began = ("%x"):format(os.time())
local count = 0

--- A topic's name that nothing else has.
function kafka.name(what)
    count = count + 1
    return ("%s-%s-%d"):format(what, began, count)
end

-- ---- commands ----------------------------------------------------------------------------------------------

local function output(command)
    local pipe <close> = assert(io.popen(command .. " 2>&1"))
    local text = pipe:read("a")
    local ok = pipe:close()
    return text, ok
end

local function done(command)
    local text, ok = output(command)
    assert(ok, command .. ":\n" .. text)
    return text
end

--- Makes a topic of a region.
function kafka.make_topic(region, topic, partitions)
    admin.make(region.broker, { topic }, partitions or 2)
    return topic
end

--- Makes many.
function kafka.make_topics(region, names)
    admin.make(region.broker, names, 2)
end

function kafka.delete_topic(region, topic)
    admin.delete(region.broker, { topic })
end

--- Writes records: the numbers from `first` to `last`, in turn to the partitions.
function kafka.produce(region, topic, first, last)
    done(("seq %d %d | kcat -P -b %s -t %s -X sticky.partitioning.linger.ms=0"):format(first, last, region.broker,
        topic))
end

--- Writes so many records in one transaction, as Kafka's own tool does.
function kafka.transact(region, topic, records)
    done(("java -XX:TieredStopAtLevel=1 -cp 'build/kafka/libs/*' org.apache.kafka.tools.ProducerPerformance --topic %s "
        .. "--num-records %d --record-size 8 --throughput -1 --transactional-id %s --transaction-duration-ms 60000 "
        .. "--producer-props bootstrap.servers=%s"):format(topic, records, topic, region.broker))
end

--- The values of all records of a topic, by how often each is there, and their number.
function kafka.records(region, topic)
    local text = done(("kcat -C -e -q -b %s -t %s -o beginning"):format(region.broker, topic))
    local found, number = {}, 0
    for line in text:gmatch("[^\n]+") do
        found[line], number = (found[line] or 0) + 1, number + 1
    end
    return found, number
end

--- All records of a topic: where each is, and its value.
---@return { partition: integer, offset: integer, value: string }[]
function kafka.places(region, topic)
    local text = done(("kcat -C -e -q -b %s -t %s -o beginning -f '%%p %%o %%s\\n'"):format(region.broker, topic))
    local found = {}
    for partition, offset, value in text:gmatch("(%d+) (%d+) ([^\n]*)\n") do
        found[#found + 1] = { partition = math.tointeger(tonumber(partition)), value = value,
            offset = math.tointeger(tonumber(offset)) }
    end
    return found
end

--- How many of the numbers from `first` to `last` a topic holds once, twice or more, and not at all.
function kafka.tally(region, topic, first, last)
    local found = kafka.records(region, topic)
    local once, more, lost = 0, 0, 0
    for i = first, last do
        local times = found[tostring(i)] or 0
        if times == 0 then
            lost = lost + 1
        elseif times == 1 then
            once = once + 1
        else
            more = more + 1
        end
    end
    return { once = once, more = more, lost = lost }
end

--- Has one consumer of a group read a topic until it is stopped, into a file: the commands that start and stop it. It
--- commits several times a second, and when it stops.
function kafka.consumer(region, group, topic)
    local file, pid = support.temporary("read"), support.temporary("pid")
    local start = ("setsid kcat -b %s -G %s -q -u -X auto.offset.reset=earliest -X auto.commit.interval.ms=200 %s > %s "
        .. "2> /dev/null < /dev/null & echo $! > %s"):format(region.broker, group, topic, file, pid)
    local stop = ("kill $(cat %s); while kill -0 $(cat %s) 2> /dev/null; do sleep 0.05; done"):format(pid, pid)
    return { start = start, stop = stop, read = function()
        local numbers = {}
        for line in io.lines(file) do numbers[#numbers + 1] = math.tointeger(tonumber(line)) end
        return numbers
    end }
end

--- Has a consumer group read so many records of a topic, and commit that.
function kafka.consume(region, group, topic, records)
    done(("kcat -b %s -G %s -q -c %d -X auto.offset.reset=earliest %s > /dev/null"):format(region.broker, group,
        records, topic))
end

--- Where the partitions of a topic end, as kcat says, by their numbers.
function kafka.ends(region, topic, partitions)
    local words = {}
    for i = 0, partitions - 1 do words[#words + 1] = ("-t %s:%d:-1"):format(topic, i) end
    local ends = {}
    for partition, offset in done(("kcat -Q -b %s %s"):format(region.broker, table.concat(words, " ")))
        :gmatch("%[(%d+)%] offset (%d+)") do
        ends[math.tointeger(tonumber(partition))] = math.tointeger(tonumber(offset))
    end
    return ends
end

--- rig.sh with those words: kafka.rig("worker", "east", "kill")
function kafka.rig(...)
    done("bash spec/kafka/rig.sh " .. table.concat({ ... }, " "))
end

-- ---- Kafka Connect -----------------------------------------------------------------------------------------

--- What a region's worker answers by itself, past kmirror.
function kafka.ask(region, method, path, body)
    local curl = "curl -s -w '\n%%{http_code}' -X %s -H 'Content-Type: application/json' %s %s%s"
    local data = body and "-d " .. support.quote(cjson.encode(body)) or ""
    local text = output(curl:format(method, data, region.url, path))
    local answer, status = text:match("^(.*)\n(%d+)$")
    local ok, decoded = pcall(cjson.decode, answer)
    return math.tointeger(tonumber(status)), ok and decoded or nil
end

--- The names of a region's connectors that hold a text.
function kafka.connectors(region, part)
    local _, all = kafka.ask(region, "GET", "/connectors")
    local found = {}
    for _, name in ipairs(all or {}) do
        if name:find(part or "", 1, true) then found[#found + 1] = name end
    end
    table.sort(found)
    return found
end

--- Takes all connectors away, those of a region at once: one after the other there is a rebalance for each.
function kafka.clear()
    for _, region in ipairs { kafka.west, kafka.east } do
        local urls = {}
        for i, name in ipairs(kafka.connectors(region)) do
            urls[i] = ("%s/connectors/%s"):format(region.url, name:gsub(">", "%%3E"))
        end
        if urls[1] then output("curl -sZ -X DELETE " .. table.concat(urls, " ")) end
    end
end

local function cluster_of(region, url)
    return { urls = { url or region.url }, kafka = "bootstrap.servers=" .. region.broker, metrics = { region.metrics } }
end

--- An api of the mirrors into a region; `options` are added, `url` goes before the worker's own.
function kafka.connect(region, options, url)
    local other = region == kafka.west and kafka.east or kafka.west
    local all = { api = "connect", cluster = region.name, timeout = 20, clusters = {
        [region.name] = cluster_of(region, url), [other.name] = cluster_of(other),
    } }
    for name, value in pairs(options or {}) do all[name] = value end
    return mirrors.connect(all)
end

--- What to create for a mirror of topics into a region, from the other one.
function kafka.spec(region, topics, fields)
    local other = region == kafka.west and kafka.east or kafka.west
    local spec = { sourceType = "custom", sourceConnectionProperties = "bootstrap.servers=" .. other.broker,
        sourceAlias = other.name, topicsRegex = topics, useRenaming = true, maxTasks = 2 }
    for name, value in pairs(fields or {}) do spec[name] = value end
    if spec.kafkaSource then spec.sourceConnectionProperties = nil end
    return spec
end

--- Waits until a check gives something true, which it returns; raises what it said last when it takes too long.
function kafka.eventually(check, seconds)
    local deadline = socket.gettime() + (seconds or 60)
    while true do
        local value, why = check()
        if value then return value end
        if socket.gettime() > deadline then
            error("not after all that time: " .. tostring(why), 2)
        end
        socket.sleep(0.2)
    end
end

--- Waits until a topic holds so many records.
function kafka.wait_for_records(region, topic, wanted)
    kafka.eventually(function()
        local ok, _, number = pcall(kafka.records, region, topic)
        return ok and number >= wanted, ("%s of %d records in %s"):format(number, wanted, topic)
    end)
end

--- Moves the moment of a mirror's creation back, in both connectors, as if it were so old.
function kafka.age(region, name, seconds)
    for _, each in ipairs { name, name .. ".checkpoint" } do
        kafka.ask(region, "PATCH", "/connectors/" .. each .. "/config",
            { ["kmirror.created"] = ("%d"):format(os.time() - seconds) })
    end
end

--- Producers of numbers to topics of a region, RATE a second each: the commands that start them, in the background, and
--- that end them and wait until all is written; and the last number written to a topic.
---@param before? table  producers that have ended: these go on where they stopped
---@param last? integer  where they end by themselves
function kafka.producers(region, topics, rate, before, last)
    local directory, lines, files = support.temporary_directory("producers"), {}, {}
    for i, topic in ipairs(topics) do
        local from = before and ("%d %s/%s.sent"):format(last or 1 << 50, before.directory, topic) or ""
        lines[i] = ("setsid sh -c 'lua5.4 spec/kafka/producer.lua %d %s/stop %s | tee %s/%s.sent | kcat -P -b %s -t %s "
            .. "-X sticky.partitioning.linger.ms=0; touch %s/%s.done' > /dev/null 2>&1 < /dev/null &"):format(rate,
            directory, from, directory, topic, region.broker, topic, directory, topic)
        files[i] = ("%s/%s.done"):format(directory, topic)
    end
    support.write(directory .. "/start", table.concat(lines, "\n") .. "\n")
    local wait = ("for f in %s; do while [ ! -e $f ]; do sleep 0.05; done; done"):format(table.concat(files, " "))
    support.write(directory .. "/end", ("touch %s/stop; %s\n"):format(directory, wait))
    local it = { directory = directory, wait = wait, start = "sh " .. directory .. "/start",
        stop = "sh " .. directory .. "/end" }
    function it.last(topic)
        local pipe <close> = io.popen(("tail -n 1 %s/%s.sent"):format(directory, topic))
        return pipe:read("n")
    end
    return it
end

--- Waits until all mirrors of an api are in sync, and list topics.
function kafka.wait_until_in_sync(api)
    kafka.eventually(function()
        for _, listed in ipairs(api:list()) do
            local found = api:get(listed.id)
            if found.status ~= "IN_SYNC" or #found.topicStatuses == 0 then
                return nil, found.cause or found.status
            end
        end
        return true
    end, 120)
end

-- ---- kmirror -----------------------------------------------------------------------------------------------

--- A home with a profile of both regions, and the environment that uses it.
function kafka.home()
    local home = support.temporary_directory("home")
    assert(os.execute("mkdir -p " .. home .. "/kmirror"))
    local parts = {}
    for _, region in ipairs { kafka.west, kafka.east } do
        parts[#parts + 1] = ('%s = { connect_url = "%s", metrics = "%s", kafka = { ["bootstrap.servers"] = "%s" } }')
            :format(region.name, region.url, region.metrics, region.broker)
    end
    support.write(home .. "/kmirror/config.lua",
        ('return { profile = "rig", profiles = { rig = { cluster = "east", clusters = { %s } } } }')
        :format(table.concat(parts, ", ")))
    return { XDG_CONFIG_HOME = home, XDG_STATE_HOME = home }
end

--- A proxy before a region's worker that carries out so many requests, as a pattern of their first lines says, without
--- handing on the answer; then it runs a command. Returns its URL, and a function that ends it.
function kafka.lossy(region, pattern, times, command)
    local port_file = support.temporary("port")
    local pid = done(("lua5.4 spec/kafka/proxy.lua %s %s %d %s %s > /dev/null 2>&1 & echo $!"):format(
        region.url:match("(%d+)$"), support.quote(pattern), times, port_file,
        support.quote(command or "true"))):match("%d+")
    local port = kafka.eventually(function()
        local file <close> = io.open(port_file)
        return file and file:read("n")
    end, 10)
    return "http://127.0.0.1:" .. port, function() os.execute("kill " .. pid) end
end

return kafka
