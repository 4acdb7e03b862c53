-- fields: what a value that goes out may be, and how it is told when it is not.
local native, new_error = ...

local fields = {}

local EXAMPLE <const> = "0c7067d6-c70a-11ea-87d0-0242ac130003"
local LONGEST_ID <const> = 256
local LONGEST_SHOWN <const> = 60
local MAX_INT32 <const> = 2147483647

---Raises `invalid`.
---@param message string
---@param ... any  for its format
function fields.invalid(message, ...)
    error(new_error("invalid", message:format(...)), 0)
end

-- How a value is shown in a message: printable, not too long.
local function shown(value)
    if value == nil then return "nothing" end
    if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
    if type(value) ~= "string" then return "a " .. type(value) end
    local cut = #value > LONGEST_SHOWN and utf8.offset(value, 0, LONGEST_SHOWN + 1) or #value + 1
    return ("'%s%s'"):format(native.printable(value:sub(1, cut - 1)), cut <= #value and "…" or "")
end
fields.shown = shown

---@class mirrors.fields.kind what a field may be
---@field expected string
---@field fits fun(value: any): any
---@field secret? boolean  its value is in no message

---Raises `invalid` when a value is not of its kind.
---@param name string of the field
---@param kind mirrors.fields.kind
---@param value any
function fields.check(name, kind, value)
    if kind.fits(value) then return end
    local instead = shown(value)
    if kind.secret and type(value) == "string" then instead = value == "" and "an empty one" or "one that is not" end
    fields.invalid("%s must be %s, got %s", name, kind.expected, instead)
end

local function is_text(value) return type(value) == "string" and value ~= "" end

fields.text = { expected = "a non-empty string", fits = is_text }
fields.boolean = { expected = "true or false", fits = function(value) return type(value) == "boolean" end }
fields.uuid = { expected = "a UUID such as " .. EXAMPLE, fits = native.is_uuid }

-- In a path: any string, so the contract, but for what no id can hold: what cannot be printed.
fields.any_id = {
    expected = "the id of a mirror, such as " .. EXAMPLE,
    fits = function(value)
        return native.is_uuid(value) or is_text(value) and #value <= LONGEST_ID and native.printable(value) == value
            and value ~= "." and value ~= ".."
    end,
}

---An int32, as a whole number of either type.
---@param lowest integer
---@param unit? string
---@return mirrors.fields.kind
function fields.int32(lowest, unit)
    return {
        expected = ("an integer from %d to %d%s"):format(lowest, MAX_INT32, unit and ", in " .. unit or ""),
        fits = function(value)
            local whole = type(value) == "number" and math.tointeger(value)
            return whole and whole >= lowest and whole <= MAX_INT32
        end,
    }
end

---One of a few words.
---@param ... string
---@return mirrors.fields.kind
function fields.one_of(...)
    local words, quoted = {}, {}
    for i, word in ipairs { ... } do words[word], quoted[i] = true, ("'%s'"):format(word) end
    return { expected = table.concat(quoted, " or "), fits = function(value) return words[value] end }
end

---A text that no message shows.
---@param expected string
---@return mirrors.fields.kind
function fields.secret(expected)
    return { expected = expected, fits = is_text, secret = true }
end

return fields
