--- fleet.fields: the fields of a fleet file: what each may be, and what is said when it is something else.

local order = require("kmirror.order")
local profile = require("kmirror.profile")
local suggest = require("mirrors").fields.nearest
local text = require("kmirror.text")

local M = {}

---@class kmirror.fleet.kind
---@field expected string
---@field check fun(value: any): boolean
---@field parse? fun(text: string): any what a text in a CSV file stands for; nil when it is not of this kind
---@field secret? boolean never shown

local function is_text(value)
    return type(value) == "string" and value:find("%S") ~= nil
end

local function whole_number(low, expected)
    return {
        expected = expected,
        check = function(value)
            return math.type(value) == "integer" and value >= low and value <= 0x7fffffff
        end,
        parse = function(value)
            -- Spreadsheets and data frames write 3 as 3.0; 3.000 is three thousand in half of the world.
            return math.tointeger(tonumber(value:match("^(%d+)$") or value:match("^(%d+)%.0$")))
        end,
    }
end

local function matching(pattern, expected)
    return {
        expected = expected,
        check = function(value)
            return type(value) == "string" and value:find(pattern) ~= nil
        end,
    }
end

local function uuid(of_what)
    return {
        expected = "the UUID of a " .. of_what .. " cluster",
        check = function(value)
            return type(value) == "string" and profile.is_uuid(value)
        end,
    }
end

-- Kafka Connect of one's own has a name in place of a UUID.
local connect = uuid("Kafka Connect")
connect.check = function(value)
    return type(value) == "string" and (profile.is_uuid(value) or profile.is_own(value))
end

local booleans = { ["true"] = true, ["false"] = false }

local boolean = {
    expected = "true or false",
    check = function(value)
        return type(value) == "boolean"
    end,
    parse = function(value)
        return booleans[value:lower()]
    end,
}

local alias = matching("^[%w._-]+$", "letters, digits, '.', '_' and '-'")
local name = { expected = "the name of a cluster", check = is_text }
local regex = { expected = "a regular expression, or a list of topics", check = is_text }
local properties = { expected = "Kafka client properties, as a text", check = is_text, secret = true }
local file_name = { expected = "the name of a file that holds them", check = is_text }
local variable = matching("^[%a_][%w_]*$", "the name of an environment variable that holds them")
local command = { expected = "a command for sh that prints them", check = is_text }
local source_type = matching("^%a+$", "instaclustr or custom")
source_type.check = function(value)
    return value == "instaclustr" or value == "custom"
end

local connection = {
    sourceConnectionProperties = properties,
    sourceConnectionPropertiesFile = file_name,
    sourceConnectionPropertiesEnv = variable,
    sourceConnectionPropertiesCommand = command,
}

local settings = {
    useRenaming = boolean,
    usePrivateIps = boolean,
    maxTasks = whole_number(1, "a whole number from 1 to 2147483647"),
    targetLatency = whole_number(1000, "milliseconds, a whole number from 1000 to 2147483647"),
}

local function with(...)
    local all = {}
    for _, fields in ipairs({ ... }) do
        for field, kind in pairs(fields) do all[field] = kind end
    end
    return all
end

--- The fields by name, of each kind of table that a file holds.
---@type table<string, table<string, kmirror.fleet.kind>>
M.of = {
    cluster = with(connection, { connect = connect, kafka = uuid("Kafka"), alias = alias }),
    defaults = with(settings, { from = name, to = name }),
    mirror = with(connection, settings, {
        from = name, to = name, sourceType = source_type, sourceAlias = alias, kafkaSource = uuid("Kafka"),
        topicsRegex = regex,
    }),
}

local longest_shown = 60

local function shown(value, kind)
    if kind.secret then
        return "something else (not shown)"
    elseif type(value) == "string" then
        return "'" .. text.cut(text.valid(value), longest_shown) .. "'"
    elseif type(value) == "table" then
        return "a table"
    end
    return tostring(value)
end

--- What is said of a name that is not known.
---@param what string "unknown field"
---@param unknown any
---@param known table<string, any>
---@return string
function M.unknown(what, unknown, known)
    local meant = suggest(tostring(unknown), known)
    local rest = meant and ("did you mean '%s'?"):format(meant)
        or next(known) and "expected one of " .. table.concat(order.keys(known), ", ") or "none is known"
    return ("%s '%s'; %s"):format(what, tostring(unknown), rest)
end

--- How messages call a field: "mirrors[3].to"; only "to" in a file where the line says enough.
---@param label string
---@param field string
---@return string
function M.path(label, field)
    return label == "" and field or label .. "." .. field
end

--- The fields of a table that are right; complains of all others.
---@param document kmirror.fleet.document
---@param what "cluster"|"defaults"|"mirror"
---@param value table
---@param label string how messages call the table: "mirrors[3]"; "" when the line says enough
---@param ... string|integer keys that lead to the table
---@return table
function M.read(document, what, value, label, ...)
    local known, right = M.of[what], {}
    local path = { ... }
    for field, given in pairs(value) do
        local kind = known[field]
        path[select("#", ...) + 1] = field
        local line = document:line(table.unpack(path))
        if not kind then
            document:complain(line, "%s", (label ~= "" and label .. ": " or "")
                .. M.unknown("unknown field", field, known))
        else
            local read = given
            if document.textual and kind.parse then read = kind.parse(given) end
            if kind.check(read) then
                right[field] = read
            else
                document:complain(line, "%s: expected %s, got %s", M.path(label, field), kind.expected,
                    shown(given, kind))
            end
        end
    end
    return right
end

return M
