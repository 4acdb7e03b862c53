--- log: what a run has to say while it goes on: on stderr, and in a file when asked.
---
--- Nothing secret may be given to it: it writes down what it gets.

local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local usage = require("kmirror.usage")

local M = {}

-- Stock Lua has no host module; its clock has no fraction.
local has_host, host = pcall(require, "host")
local clock = has_host and host.time or os.time

local ranks = { error = 1, warn = 2, info = 3, debug = 4 }
local names = { error = "error: ", warn = "warning: ", info = "", debug = "debug: " }
local colors = { error = "red", warn = "yellow", debug = "dim" }

local threshold = ranks.info
local log_file

---@class kmirror.log.options
---@field level? "error"|"warn"|"info"|"debug" the least important that is still written; info by default
---@field file? string path of a file to append to

--- Sets what is written where. Raises usage when the file cannot be opened.
---@param options kmirror.log.options
function M.configure(options)
    threshold = ranks[options.level or "info"]
    if log_file then
        log_file:close()
        log_file = nil
    end
    if options.file then
        local problem
        log_file, problem = io.open(options.file, "a")
        if not log_file then
            usage("cannot write the log file: %s; give --log-file a path that can be written", problem)
        end
        log_file:setvbuf("line")
    end
end

local function write_file(level, message)
    local now = clock()
    local seconds = math.floor(now)
    local milliseconds = math.floor((now - seconds) * 1000)
    log_file:write(("%s.%03dZ %-5s %s\n"):format(os.date("!%Y-%m-%dT%H:%M:%S", seconds), milliseconds, level,
        message))
end

local function write_stderr(level, message)
    local where = terminal.of(io.stderr)
    local time = terminal.paint(where, "dim", os.date("%H:%M:%S"))
    local line = terminal.paint(where, colors[level], names[level] .. message)
    io.stderr:write(time, " ", line, "\n")
end

local function write(level, format, ...)
    if ranks[level] > threshold then
        return
    end
    local message = text.clean(select("#", ...) > 0 and format:format(...) or format)
    write_stderr(level, message)
    if log_file then
        write_file(level, message)
    end
end

--- Something failed.
---@param format string as for string.format; taken as it is when nothing follows
function M.error(format, ...)
    write("error", format, ...)
end

--- Something needs a look, but the work goes on.
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

return M
