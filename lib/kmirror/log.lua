--- log: what a run has to say while it runs: on stderr, and in a file when asked.
---
--- Nothing secret may be given to it: it writes down what it gets.

local fields = require("mirrors").fields
local json = require("kmirror.json")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

-- Stock Lua has no host module; its clock has no fraction.
local has_host, host = pcall(require, "host")
local clock = has_host and host.time or os.time

local ranks = { error = 1, warn = 2, info = 3, debug = 4 }
local names = { error = "error: ", warn = "warning: ", info = "", debug = "debug: " }
local colors = { error = "red", warn = "yellow", debug = "dim" }

local threshold = ranks.info
local log_file, log_path
local log_lost = false
local as_json = false

---@class kmirror.log.options
---@field format? "text"|"json" json: a line each of {"time", "level", "message"}, and what else there is to say
---@field level? "error"|"warn"|"info"|"debug" the least important that is still written; info by default
---@field file? string path of a file to append to

local function timestamp()
    local now = clock()
    local seconds = math.floor(now)
    return ("%s.%03dZ"):format(os.date("!%Y-%m-%dT%H:%M:%S", seconds), math.floor((now - seconds) * 1000))
end

local function json_line(level, message, more)
    local line = { time = timestamp(), level = level, message = message }
    for name, value in pairs(more or {}) do line[name] = value end
    return json.encode(line) .. "\n"
end

-- ---- what others write to stderr ---------------------------------------------------------------------------

local methods = getmetatable(io.stderr).__index
local plain_write = methods.write
local rest = "" -- of a line that has not ended

-- One write for a line: two processes that share a file do not tear each other's.
local function write_whole(file, line)
    if as_json then
        plain_write(file, line)
    else
        file:write(line)
    end
end

-- Whatever a runbook writes to io.stderr comes out as messages, a line each.
local function write_as_messages(file, ...)
    if file ~= io.stderr then return plain_write(file, ...) end
    rest = rest .. table.concat({ ... })
    for line in rest:gmatch("([^\n]*)\n") do
        if line:find("%S") then plain_write(file, json_line("info", line)) end
    end
    rest = rest:match("[^\n]*$")
    return file
end

--- Makes every line of stderr JSON, from here on: messages, what the executable itself says, and what a runbook writes
--- to io.stderr. Or ends that.
---@param wanted boolean
function M.as_json(wanted)
    if wanted == as_json then return end
    M.finish()
    as_json = wanted
    methods.write = wanted and write_as_messages or plain_write
    if has_host then host.json_messages(wanted) end
end

--- Writes what is left of a line that has not ended: nothing more will come.
function M.finish()
    if as_json and rest ~= "" then io.stderr:write("\n") end
end

--- Whether stderr is JSON.
---@return boolean
function M.is_json()
    return as_json
end

--- Whether a message of that level is written.
---@param level "error"|"warn"|"info"|"debug"
---@return boolean
function M.shows(level)
    return ranks[level] <= threshold
end

-- ---- setting up -------------------------------------------------------------------------------------------

--- Sets what is written where. Raises usage when the file cannot be opened.
---@param options kmirror.log.options
function M.configure(options)
    threshold = ranks[options.level or "info"]
    M.as_json(options.format == "json")
    if log_file then
        log_file:close()
        log_file = nil
    end
    if options.file then
        local problem
        log_path, log_lost = options.file, false
        log_file, problem = require("kmirror.file").append(log_path)
        if not log_file then
            refuse("cannot write the log file: %s; give --log-file a path that can be written", problem)
        end
    end
end

local function write_stderr(level, message)
    local where = terminal.of(io.stderr)
    local time = terminal.paint(where, "dim", os.date("%H:%M:%S"))
    local told = text.message(names[level] .. message, where.width, #"00:00:00 ")
    local line = terminal.paint(where, colors[level], told)
    write_whole(io.stderr, time .. " " .. line .. "\n")
end

-- What the file does not get is said once, and shows in the exit status.
local function write_file(line)
    local ok, problem = log_file:write(line)
    if ok or log_lost then return end
    log_lost = true
    host.lost_output()
    M.error("the log file %s: %s; it lacks lines from here on", log_path, problem)
end

local function write_json(line)
    write_whole(io.stderr, line)
    if log_file then write_file(line) end
end

local function write_with(level, more, format, ...)
    if ranks[level] > threshold then return end
    local message = fields.formatted("log", format, ...)
    if as_json then
        write_json(json_line(level, message, more))
        return
    end
    message = text.clean(message)
    write_stderr(level, message)
    if log_file then write_file(("%s %-5s %s\n"):format(timestamp(), level, message)) end
end

local function write(level, format, ...)
    write_with(level, nil, format, ...)
end

--- A message with fields that only --log-format json shows.
---@param level "error"|"warn"|"info"|"debug"
---@param more table<string, string|number|boolean> none of the names time, level, message
---@param format string as for string.format; taken as it is when nothing follows
function M.event(level, more, format, ...)
    write_with(level, more, format, ...)
end

--- Something failed.
---@param format string as for string.format; taken as it is when nothing follows
function M.error(format, ...)
    write("error", format, ...)
end

--- Something needs a look, but the work continues.
---@param format string
function M.warn(format, ...)
    write("warn", format, ...)
end

--- A step begins or ends; a wait, a retry.
---@param format string
function M.info(format, ...)
    write("info", format, ...)
end

--- Details, for when something is unclear.
---@param format string
function M.debug(format, ...)
    write("debug", format, ...)
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local level = fields.one_of("error", "warn", "info", "debug")
local message = { "format", fields.string, "...", fields.any }

return fields.guard("log", M, {
    configure = {
        "options", fields.options({ format = fields.one_of("text", "json"), level = level, file = fields.text }),
    },
    event = { "level", level, "more", fields.table, table.unpack(message) },
    error = message,
    warn = message,
    info = message,
    debug = message,
    as_json = { "wanted", fields.boolean },
    finish = {},
    is_json = {},
    shows = { "level", level },
})
