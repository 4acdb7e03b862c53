--- support.prism: Prism, an independent judge that knows the API from an OpenAPI description alone. As a mock server it
--- refuses what kmirror should not send; as a proxy in front of the sandbox, what the sandbox should not answer.
local support = require("spec.support")

local PRISM = "build/prism/node_modules/.bin/prism"

local M = {}

local function free_port()
    local listener = assert(require("socket").bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close()
    return port
end

---Starts it with these arguments.
---@param ... string
---@return { process: support.process, url: string }
function M.start(...)
    local port = free_port()
    local arguments = { command = PRISM, ... }
    table.insert(arguments, "--port")
    table.insert(arguments, port)
    local process = support.start(arguments)
    support.eventually("Prism to listen (make test-deps installs it)", function()
        if not process:alive() then
            error("Prism ended: " .. process:wait().stderr .. process:stdout(), 0)
        end
        return process:stdout():find("Prism is listening", 1, true)
    end, 30)
    return { process = process, url = "http://127.0.0.1:" .. port }
end

---One request by curl, for what kmirror itself would not send.
---@param url string
---@param method string
---@param path string
---@param body? string
---@param options? { user: string|nil, type: string|nil }
---@return { status: integer, violations: string|nil, body: string }
function M.ask(url, method, path, body, options)
    options = options or {}
    local arguments = {
        command = "curl", "-sS", "-i", "-X", method, "-u", options.user or "sandbox:sandbox-full-key",
        url .. path,
    }
    if body then
        local type = "Content-Type: " .. (options.type or "application/json")
        table.move({ "-H", type, "--data-binary", body }, 1, 4, #arguments + 1, arguments)
    end
    local answer = support.run(arguments).stdout
    return {
        status = math.tointeger(tonumber(answer:match("^HTTP/1.1 (%d+)"))),
        violations = answer:match("\r\n[sS]l%-[vV]iolations: ([^\r]*)"),
        body = answer:match("\r\n\r\n(.*)$"),
    }
end

return M
