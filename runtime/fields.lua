-- fields: what a value may be, and how it is told when it is not: fields of a specification, options, arguments of
-- functions. A kind says what is expected and whether a value fits; whoever takes values declares the kinds of them.
local native, new_error, meant = ...

local fields = {}

local EXAMPLE <const> = "0c7067d6-c70a-11ea-87d0-0242ac130003"
local LONGEST_ID <const> = 256
local LONGEST_SHOWN <const> = 60
local MAX_INT32 <const> = 2147483647

fields.nearest, fields.meant, fields.printable = meant.nearest, meant.question, native.printable
fields.json_write = native.json_write -- what kmirror.json writes

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
---@field problem? fun(name: string, value: any): string?  what is wrong with a part of a value that does not fit
---@field secret? boolean  its value is in no message
---@field known? table<string, mirrors.fields.kind>  of a table: its fields by name
---@field required? string[]  of a table: those that may not be missing

---What is wrong with a value, as a sentence that begins with its name; nil when it fits.
---@param name string
---@param kind mirrors.fields.kind
---@param value any
---@return string?
local function problem_of(name, kind, value)
    if kind.fits(value) then return nil end
    if kind.problem then
        local problem = kind.problem(name, value)
        if problem then return problem end
    end
    local instead = shown(value)
    if kind.secret and type(value) == "string" then
        instead = value == "" and "an empty one" or "one that is not"
    end
    return ("%s must be %s, got %s"):format(name, kind.expected, instead)
end
fields.problem = problem_of

---Raises `invalid` when a value is not of its kind.
---@param name string of the field
---@param kind mirrors.fields.kind
---@param value any
function fields.check(name, kind, value)
    local problem = problem_of(name, kind, value)
    if problem then fields.invalid("%s", problem) end
end

local function is_text(value) return type(value) == "string" and value ~= "" end

---Where a text is no longer UTF-8.
---@param text string
---@return integer? line    nil when all of it is
---@return integer? column  in characters
function fields.not_utf8(text)
    local length, at = utf8.len(text)
    if length then return nil end
    local before = text:sub(1, at - 1)
    local _, newlines = before:gsub("\n", "")
    return newlines + 1, utf8.len(before:match("[^\n]*$")) + 1
end

-- Texts go into JSON, which is UTF-8. The bytes are not shown: they may be a secret's.
local function is_utf8_text(value) return is_text(value) and utf8.len(value) ~= nil end

local function utf8_problem(name, value)
    if not is_text(value) then return nil end
    local line, column = fields.not_utf8(value)
    return ("%s is not UTF-8 at line %d, column %d: expected UTF-8 text (it may be Latin-1)"):format(name, line, column)
end

fields.text = { expected = "a non-empty string", fits = is_utf8_text, problem = utf8_problem }
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
    return { expected = expected, fits = is_utf8_text, problem = utf8_problem, secret = true }
end

-- ---- arguments of functions ----

local function type_is(expected, ...)
    local types = {}
    for _, name in ipairs { ... } do types[name] = true end
    return { expected = expected, fits = function(value) return types[type(value)] end }
end

fields.any = { expected = "anything", fits = function() return true end }
fields.string = type_is("a string", "string")
fields.table = type_is("a table", "table")
fields.word = type_is("a string or a number", "string", "number")

fields.fn = {
    expected = "a function",
    fits = function(value)
        local meta = type(value) == "table" and getmetatable(value)
        return type(value) == "function" or type(meta) == "table" and meta.__call ~= nil
    end,
}

fields.file = {
    expected = "an open file, such as io.stderr",
    fits = function(value) return io.type(value) == "file" or type(value) == "table" and value.write ~= nil end,
}

fields.api = {
    expected = "an api, as mirrors.connect() makes it",
    fits = function(value) return type(value) == "table" and type(value.get) == "function" end,
}

---A table that a function of the library made: told by fields that it always has.
---@param expected string  "a plan, as fleet.plan() makes it"
---@param ... string  names of fields
---@return mirrors.fields.kind
function fields.made(expected, ...)
    local names = { ... }
    local function fits(value)
        for _, name in ipairs(names) do
            if type(value) ~= "table" or value[name] == nil then return false end
        end
        return true
    end
    return { expected = expected, fits = fits }
end

---A number within bounds.
---@param lowest number
---@param unit? string  "seconds"
---@return mirrors.fields.kind
function fields.number(lowest, unit)
    return {
        expected = ("a number%s from %g up"):format(unit and " of " .. unit or "", lowest),
        fits = function(value) return type(value) == "number" and value >= lowest end,
    }
end

---A whole number within bounds.
---@param lowest integer
---@return mirrors.fields.kind
function fields.integer(lowest)
    return {
        expected = lowest == math.mininteger and "a whole number" or ("a whole number from %d up"):format(lowest),
        fits = function(value) return math.type(value) == "integer" and value >= lowest end,
    }
end

---A whole number, or a percentage as a text.
---@param lowest integer
---@return mirrors.fields.kind
function fields.amount(lowest)
    return {
        expected = ('a whole number from %d up or a percentage such as "10%%"'):format(lowest),
        fits = function(value)
            local percent = type(value) == "string" and tonumber(value:match("^(%d+%.?%d*)%%$"))
            return percent and percent >= lowest and percent <= 100
                or math.type(value) == "integer" and value >= lowest
        end,
    }
end

---One of two kinds.
---@param first mirrors.fields.kind
---@param second mirrors.fields.kind
---@return mirrors.fields.kind
function fields.either(first, second)
    return {
        expected = ("%s, or %s"):format(first.expected, second.expected),
        fits = function(value) return first.fits(value) or second.fits(value) end,
        problem = function(name, value)
            local listed = second.is_list and type(value) == "table"
            return listed and second.problem(name, value) or nil
        end,
    }
end

local function is_list(value)
    if type(value) ~= "table" then return false end
    local count = 0
    for _ in pairs(value) do count = count + 1 end
    return count == #value
end

---A list of values of a kind; one value alone is none.
---@param kind? mirrors.fields.kind  any value by default
---@param expected? string  "a list of ids"
---@return mirrors.fields.kind
function fields.list(kind, expected)
    kind, expected = kind or fields.any, expected or "a list"
    local function problem(name, value)
        if not is_list(value) then
            local tip = value ~= nil and kind.fits(value) and "; one alone is given as { … }" or ""
            return ("%s must be %s, got %s%s"):format(name, expected, shown(value), tip)
        end
        for i, each in ipairs(value) do
            local wrong = problem_of(("%s[%d]"):format(name, i), kind, each)
            if wrong then return wrong end
        end
    end
    return {
        expected = expected, problem = problem, is_list = true,
        fits = function(value) return problem("", value) == nil end,
    }
end

---Says that a name is not known, what may have been meant, and which are.
---@param what string  "option"
---@param name any
---@param known table<string, any>  by name
---@return string
function fields.unknown(what, name, known)
    local names = {}
    for each in pairs(known) do names[#names + 1] = each end
    table.sort(names)
    local question = fields.meant(name, known)
    local known_are = question ~= "" and question .. " Known are" or "; known are"
    return ("unknown %s %s%s %s"):format(what, shown(name), known_are, table.concat(names, ", "))
end

---A table of options by name, each of its kind, none of which has to be there. Others are refused.
---@param known table<string, mirrors.fields.kind>
---@return mirrors.fields.kind  with `known`
function fields.options(known)
    local function problem(_, value)
        for name, given in pairs(type(value) == "table" and value or {}) do
            if not known[name] then return fields.unknown("option", name, known) end
            local wrong = problem_of(name, known[name], given)
            if wrong then return wrong end
        end
    end
    return {
        expected = "a table of options", problem = problem, known = known,
        fits = function(value) return type(value) == "table" and problem("", value) == nil end,
    }
end

---A table that a file holds, say: each of its fields of its kind. One with a ? may be missing; those that are not named
---here may be anything.
---@param known table<string, mirrors.fields.kind>  by name of the field: { id = fields.text, ["line?"] = … }
---@return mirrors.fields.kind
function fields.record(known)
    local function problem(name, value)
        for its, kind in pairs(type(value) == "table" and known or {}) do
            local field, mark = its:match("^(.-)(%??)$")
            local given = value[field]
            local wrong = not (given == nil and mark == "?") and problem_of(("%s.%s"):format(name, field), kind, given)
            if wrong then return wrong end
        end
    end
    return {
        expected = "a table", problem = problem,
        fits = function(value) return type(value) == "table" and problem("", value) == nil end,
    }
end

---A table of values of a kind, by names.
---@param kind mirrors.fields.kind
---@return mirrors.fields.kind
function fields.map(kind)
    local function problem(name, value)
        for its, each in pairs(type(value) == "table" and value or {}) do
            local where = ("%s[%s]"):format(name, shown(its))
            local wrong = problem_of(where .. ": its name", fields.string, its) or problem_of(where, kind, each)
            if wrong then return wrong end
        end
    end
    return {
        expected = "a table by names", problem = problem,
        fits = function(value) return type(value) == "table" and problem("", value) == nil end,
    }
end

local originals = setmetatable({}, { __mode = "k" })
local declarations = {}

local function arguments_of(declared)
    local parameters = {}
    for i = 1, #declared, 2 do
        local name, mark = declared[i]:match("^([%w_.]-)(%??)$")
        parameters[#parameters + 1] = { name = name, optional = mark == "?", kind = declared[i + 1] }
    end
    return parameters
end

local function check_arguments(where, parameters, ...)
    for i, parameter in ipairs(parameters) do
        if parameter.name == "..." then
            for k = i, select("#", ...) do
                local problem = problem_of(("argument %d"):format(k), parameter.kind, (select(k, ...)))
                if problem then fields.invalid("%s: %s", where, problem) end
            end
            return
        end
        local value = (select(i, ...))
        if not (value == nil and parameter.optional) then
            local problem = problem_of(parameter.name, parameter.kind, value)
            if problem then fields.invalid("%s: %s", where, problem) end
        end
    end
end

---@class mirrors.fields.parameter
---@field name string  "..." stands for all that follow
---@field optional boolean
---@field kind mirrors.fields.kind

---Tells what the arguments of a function may be that checks them by itself.
---@param where string  "api:create"
---@param declared any[]  as for checked()
---@return mirrors.fields.parameter[]
function fields.declare(where, declared)
    declarations[where] = arguments_of(declared)
    return declarations[where]
end

---What the arguments of a function may be, for whoever looks at a call that is not made; nil when nobody has said.
---@param where string  its name in messages: "wait.ready", "result:status"
---@return mirrors.fields.parameter[]?
function fields.declared(where)
    return declarations[where]
end

---A function that refuses, before it does anything, arguments that are not as declared.
---@param where string  its name, for messages: "wait.ready"
---@param declared any[]  names of parameters, each with its kind behind it: { "items", fields.list(), "title?",
---  fields.string }; what is after a ? may be nil, and "..." stands for all that follow
---@param fn function
---@return function
function fields.checked(where, declared, fn)
    local parameters = fields.declare(where, declared)
    local function checked(...)
        check_arguments(where, parameters, ...)
        return fn(...)
    end
    originals[checked] = fn
    return checked
end

---A message with its arguments; alone it is taken as it is.
---@param where string  the function that they were given to
---@param format string
---@param ... any
---@return string
function fields.formatted(where, format, ...)
    if select("#", ...) == 0 then return format end
    local ok, message = pcall(string.format, format, ...)
    if not ok then
        fields.invalid("%s: its message '%s' does not fit: %s", where, format, message)
    end
    return message
end

---The function behind one that checks its arguments, for whoever looks for where it is described.
---@param fn function
---@return function
function fields.original(fn)
    return originals[fn] or fn
end

---The same for all functions of a module. A function that is not declared is a mistake of the module's: it raises.
---@param name string  of the module, for messages
---@param module table<string, any>
---@param declared table<string, any[]>  by name of the function
---@return table module
function fields.guard(name, module, declared)
    for its, value in pairs(module) do
        if type(value) == "function" then
            local where = ("%s.%s"):format(name, its)
            module[its] = fields.checked(where, declared[its] or error(where .. " declares no arguments"), value)
        end
    end
    return module
end

---The same for the methods of a class, which need its object before all else.
---@param name string  of an object, for messages
---@param class table  the metatable of its objects
---@param declared table<string, any[]>
---@return table class
function fields.guard_methods(name, class, declared)
    local self = {
        expected = "the object before a colon",
        fits = function(value) return getmetatable(value) == class end,
        problem = function(_, value)
            return ("expected its object, got %s; call it with a colon"):format(shown(value))
        end,
    }
    for its, value in pairs(class) do
        if type(value) == "function" and its:sub(1, 2) ~= "__" then
            local where = ("%s:%s"):format(name, its)
            local parameters = { "self", self, table.unpack(declared[its] or error(where .. " declares no arguments")) }
            class[its] = fields.checked(where, parameters, value)
        end
    end
    return class
end

return fields
