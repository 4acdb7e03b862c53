local connect = require("kmirror.connect")
local items = require("kmirror.cli.items")
local naming = require("kmirror.naming")
local json = require("kmirror.json")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local columns = {
    { "TOPIC", "topic", key = true },
    { "PARTITION", "partition", align = "right" },
    { "END", "endOffset", align = "right" },
    { "REPLICATED", "replicatedOffset", align = "right" },
    { "LEFT", "recordsLeft", align = "right" },
}

local function rows_of(told)
    local rows = {}
    for _, topic in ipairs(told.topics) do
        for _, partition in ipairs(topic.partitions) do
            rows[#rows + 1] = setmetatable({ topic = topic.name }, { __index = partition })
        end
    end
    return rows
end

local function left(told)
    return told.recordsLeft and text.count(told.recordsLeft, "record") .. " left" or "records left: not known yet"
end

local function for_people(told, where)
    local rows = rows_of(told)
    local head = ("%s  %s\n"):format(text.clean(told.connectorName), left(told))
    return head .. (#rows > 0 and "\n" .. tables.aligned(columns, rows, where) or "no topics\n")
end

local function for_programs(told)
    local rows = { { topic = told.id, recordsLeft = told.recordsLeft } }
    table.move(rows_of(told), 1, #rows_of(told), 2, rows)
    return tables.tabs(columns, rows)
end

---@type kmirror.command
return {
    name = "lag",
    arguments = "ID...",
    summary = "How many records mirrors have still to copy.",
    details = [[
Only on Kafka Connect of your own (--api connect), and with librdkafka on this
machine (Debian's librdkafka1). Kafka Connect records what was copied once a
minute by default, so what is told as left may have been copied already.

In a pipe: a line with the mirror's id and the records left, then one for each
partition: topic, partition, end, last one replicated, records left; a tab
between them.

With --json: {"id", "connectorName", "recordsLeft", "topics": [{"name",
"recordsLeft", "partitions": [{"partition", "endOffset", "replicatedOffset",
"recordsLeft"}]}]}; with several ids an array of them, in the order asked for,
where one that failed is {"id", "error": {"kind", "message", ...}}.]],
    sets = { "connection", "results", "messages" },

    define = function(parser)
        parser:argument("ID", "A mirror: its id or name; see kmirror help get."):args("+"):argname("ID"):target("id")
    end,

    run = function(options)
        local api = connect()
        local where, before = terminal.of(io.stdout), ""
        local ids = naming.resolve(api, options.id)
        return items.each(ids, {
            json = options.json,
            single = #ids == 1,
            run = function(id)
                return api:lag(id)
            end,
            text = function(told)
                local shown = where.terminal and before .. for_people(told, where) or for_programs(told)
                before = "\n"
                return shown
            end,
            shape = function(told)
                json.array(told.topics)
                return told
            end,
            name = function(id)
                return { id = id }
            end,
        })
    end,
}
