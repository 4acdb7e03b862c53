--- control: the sandbox's own path, beside the API's: it stops the producers of a region and lets them go on, as
--- what a runbook's hooks call would do to real ones, and changes the account's limit.
---
---     GET  /sandbox/producers                 {"us-east":"running","us-west":"stopped"}
---     POST /sandbox/producers/REGION/stop     the same, afterwards
---     POST /sandbox/producers/REGION/start
---     POST /sandbox/rate/N                    {"rate":N}: requests accepted in any one second from now on; 0: no limit
---
--- As a hook:  webhook:$KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_FROM/stop
---
--- It asks for no key, counts against no limit, and meets no fault: it is not the API. Once the producers of a
--- region have stopped, the rates and the lag of the mirrors from there fall to zero within `sync_seconds`.

local cjson = require("cjson")

local control = {}

--- A hook that stops the producers of the region that clients leave, where there may be neither curl nor a shell.
control.fence = "webhook:$KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_FROM/stop"

local function json(status, body)
    local headers = { ["Content-Type"] = "application/json" }
    return { status = status, headers = headers, body = cjson.encode(body) .. "\n" }
end

local function refuse(status, message)
    return json(status, { status = status, message = message })
end

local function overview(world)
    local states = {}
    for name, running in pairs(world:producers()) do
        states[name] = running and "running" or "stopped"
    end
    return json(200, states)
end

--- Is a path the sandbox's own?
---@param path string
---@return boolean
function control.is_for(path)
    return path:find("^/sandbox/") ~= nil
end

--- Answers a request to the sandbox itself.
---@param api kmirror.sandbox.api
---@param request { method: string, path: string }
---@return kmirror.sandbox.answer
---@return string|nil done what it did: "stop us-west"
function control.answer(api, request)
    local world, rate = api.world, tonumber(request.path:match("^/sandbox/rate/(%d+)$"))
    if rate and request.method == "POST" then
        api.rate = rate
        return json(200, { rate = rate }), ("rate %d"):format(rate)
    elseif request.path == "/sandbox/producers" and request.method == "GET" then
        return overview(world)
    end
    local region, action = request.path:match("^/sandbox/producers/([^/]+)/(%a+)$")
    if action ~= "stop" and action ~= "start" then
        return refuse(404, "expected /sandbox/producers, /sandbox/producers/REGION/stop or start, or /sandbox/rate/N")
    elseif world:producers()[region] == nil then
        return refuse(404, "there is no region " .. region:gsub("[^%w._-]", "?"))
    elseif request.method ~= "POST" then
        return refuse(405, "expected POST")
    end
    world:set_producers(region, action == "start")
    return overview(world), action .. " " .. region
end

return control
