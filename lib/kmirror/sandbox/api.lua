--- The mirroring API, in both its versions, as a function from a request to an answer. It knows nothing of the network:
--- httpd brings the requests, specs make their own. How a version speaks is told in v1.lua and v2.lua.

local account = require("kmirror.sandbox.account")
local answers = require("kmirror.sandbox.answers")
local cjson = require("cjson").new()
local mirrors = require("mirrors")

local api = {}
api.__index = api

cjson.decode_invalid_numbers(false) -- no NaN, no 0x10, no 010: JSON has none of them

local INT32_MAX = 0x7fffffff
local LEAST_TARGET_LATENCY = 1000
local FORMS = { (require("kmirror.sandbox.v1")), (require("kmirror.sandbox.v2")) }

---@class kmirror.sandbox.api
---@field world kmirror.sandbox.world
---@field clock fun(): number seconds
---@field rate number

---@class kmirror.sandbox.answer
---@field status integer
---@field headers table<string, string>
---@field body string

---@class kmirror.sandbox.route
---@field form kmirror.sandbox.form the version of the API that is spoken
---@field operation string|nil the name of one of mirrors.operations; nil when no route fits
---@field cluster string|nil as it stands in the request, in lower case
---@field id string|nil as it stands in the path, in lower case
---@field list_delay number|nil seconds by which its list runs behind, when not as set for the world

---@param options { world: kmirror.sandbox.world, clock: (fun(): number), rate: number, v2_list: string|nil,
---  v2_slash: string|nil }
---@return kmirror.sandbox.api
function api.new(options)
    return setmetatable({
        world = options.world,
        clock = options.clock,
        rate = options.rate, -- requests accepted in any one second; 0: no limit
        v2_list = options.v2_list, -- "object" or "array"
        v2_slash = options.v2_slash, -- "redirect": see moved()
        accepted = {}, -- user name -> queue of the times of the last second's requests
    }, api)
end

---- routes ----

local function unescape(text)
    return (text:gsub("%%(%x%x)", function(hex)
        return string.char(tonumber(hex, 16))
    end))
end

-- "/a/{cluster}/b/{id}" as a pattern, and whether it has each of the two. A path without an id may end with a slash.
local function pattern_of(path)
    local pattern = path:gsub("[%-.]", "%%%0"):gsub("{cluster}", "([^/]*)"):gsub("{id}", "([^/]+)")
    return "^" .. (path:find("{id}", 1, true) and pattern .. "$" or pattern:gsub("/$", "") .. "/?$")
end

local ROUTES = {}
for _, form in ipairs(FORMS) do
    for _, operation in ipairs(mirrors.operations) do
        local wire = form.operations[operation.name] -- not every backend has each of them
        ROUTES[#ROUTES + 1] = wire and {
            form = form, pattern = pattern_of(wire.path), method = wire.method, operation = operation.name,
            has_cluster = wire.path:find("{cluster}", 1, true) ~= nil,
        }
    end
end

-- What a path says: of a version in which it names no cluster, the id alone.
local function places_of(route, path)
    local first, second = path:match(route.pattern)
    if first and not route.has_cluster then return true, nil, first ~= path and first or nil end
    return first ~= nil, first, second
end

local function form_of(path)
    for _, form in ipairs(FORMS) do
        if path:sub(1, #form.prefix) == form.prefix then return form end
    end
    return FORMS[1]
end

--- Which operation a request asks for. A mirror's path without an id is the list's.
---@param method string
---@param path string as it was sent
---@return kmirror.sandbox.route
function api.route(method, path)
    local found = { form = form_of(path) }
    for _, route in ipairs(ROUTES) do
        local fits, cluster, id = places_of(route, path)
        if fits then
            found.cluster, found.id = cluster and unescape(cluster):lower(), id and unescape(id):lower()
            found.operation = found.operation or route.method == method and route.operation or nil
        end
    end
    return found
end

---- checks ----

local HEX4 = ("%x"):rep(4)
local UUID = "^" .. HEX4 .. HEX4 .. ("%-" .. HEX4):rep(3) .. "%-" .. HEX4:rep(3) .. "$"

local function is_uuid(text)
    return type(text) == "string" and text:find(UUID) ~= nil
end

local function is_int32(value)
    local whole = type(value) == "number" and math.tointeger(value)
    return whole and whole >= -INT32_MAX - 1 and whole <= INT32_MAX
end

--- Each check returns nil, or what the field must be.
local function must_be_text(value)
    return (type(value) ~= "string" or value == "") and "must be a string that is not empty" or nil
end

local function must_be_boolean(value)
    return type(value) ~= "boolean" and "must be true or false" or nil
end

local function latency_problem(value)
    local good = is_int32(value) and value >= LEAST_TARGET_LATENCY
    return not good and "must be an integer of at least " .. LEAST_TARGET_LATENCY or nil
end

local CREATE_FIELDS = {
    sourceType = function(value)
        return value ~= "instaclustr" and value ~= "custom" and "must be instaclustr or custom" or nil
    end,
    kafkaSource = function(value)
        return not is_uuid(value) and "must be the UUID of a Kafka cluster" or nil
    end,
    sourceConnectionProperties = must_be_text,
    sourceAlias = function(value)
        return must_be_text(value)
            or (value:find("[^%w._-]") and "must hold only letters, digits, '.', '_' and '-'" or nil)
    end,
    topicsRegex = function(value)
        if must_be_text(value) then return must_be_text(value) end
        local valid, why = require("kmirror.sandbox.topics").select(value, {})
        return not valid and "must be a regular expression: " .. why or nil
    end,
    useRenaming = must_be_boolean,
    usePrivateIps = must_be_boolean,
    maxTasks = function(value)
        return not (is_int32(value) and value > 0) and "must be an integer greater than 0" or nil
    end,
    targetLatency = latency_problem, -- of v2
}

local LATENCY_FIELDS = { newTargetLatency = latency_problem }

--- What is wrong with the fields that are there, by field; and null counts as absent.
local function check_fields(body, fields)
    local problems = {}
    for name, value in pairs(body) do
        if value == cjson.null then
            body[name] = nil
        elseif not fields[name] then
            problems[name] = "is not known"
        else
            problems[name] = fields[name](value)
        end
    end
    return problems
end

--- The fields that go with one source type only.
function api:_check_source(spec, problems)
    local managed, properties = spec.kafkaSource, spec.sourceConnectionProperties
    if spec.sourceType == "instaclustr" then
        if properties ~= nil then
            problems.sourceConnectionProperties = "goes with sourceType custom"
        end
        if managed == nil then
            problems.kafkaSource = "is required with sourceType instaclustr"
        elseif not problems.kafkaSource and not self.world:has_kafka(managed:lower()) then
            problems.kafkaSource = "is not a Kafka cluster of this account"
        end
    elseif spec.sourceType == "custom" and managed == nil and properties == nil then
        -- The published sample has a custom source with kafkaSource alone, so that one will do.
        problems.sourceConnectionProperties = "is required with sourceType custom"
    end
end

--- What is wrong with the body of a create, by field. The schema of v1 requires none of them; a mirror cannot be
--- without some.
---@param spec table in v1's words
---@param form kmirror.sandbox.form
---@return table<string, string> problems
---@return integer status
function api:check_create(spec, form)
    local problems, status = check_fields(spec, CREATE_FIELDS), 400
    if form.required_fields == nil and spec.targetLatency ~= nil then
        problems.targetLatency = "is not known"
    end
    for _, name in ipairs(form.required_fields or { "sourceType", "sourceAlias", "topicsRegex" }) do
        if spec[name] == nil then problems[name], status = "is required", form.required end
    end
    self:_check_source(spec, problems)
    return problems, status
end

--- The JSON object in a request's body, or the answer that refuses it.
local function read_body(request, form)
    local content_type = request.headers["content-type"] or "none"
    if not content_type:lower():find("^%s*application/json%s*$") and
        not content_type:lower():find("^%s*application/json%s*;") then
        return nil, form.error(415, "Unsupported media type: " .. content_type .. "; send application/json")
    end
    local valid, body = pcall(cjson.decode, request.body)
    if not valid then return nil, form.error(400, "The body is not JSON: " .. body) end
    if type(body) ~= "table" or not request.body:find("^%s*{") then
        return nil, form.error(400, "The body must be a JSON object")
    end
    return body
end

local function not_uuid(form, what, text)
    return form.error(400, "The " .. what .. " must be a UUID, not '" .. text .. "'")
end

---- the operations: each returns the answer and what it changed, if anything ----

local operations = {}

function operations:list(route)
    return route.form.list(route.cluster, self.world:list(route.cluster, route.list_delay), self.v2_list)
end

function operations:create(route, request)
    local body, refusal = read_body(request, route.form)
    if not body then return refusal end
    local spec = route.form.specification(body)
    local problems, status = self:check_create(spec, route.form)
    if next(problems) then
        return route.form.error(status, "The mirror cannot be created as described", problems)
    end
    local mirror = self.world:create(route.cluster, spec)
    return route.form.created(route.cluster, self.world:describe(route.cluster, mirror.id)), {
        change = "created",
        id = mirror.id,
        connectorName = mirror.connectorName,
        topicsRegex = mirror.topicsRegex,
        sourceAlias = spec.sourceAlias,
    }
end

local function no_mirror(route)
    return route.form.error(404, "There is no mirror " .. route.id .. " on cluster " .. route.cluster)
end

function operations:get(route)
    local mirror = self.world:describe(route.cluster, route.id)
    return mirror and route.form.mirror(route.cluster, mirror) or no_mirror(route)
end

function operations:delete(route)
    if not is_uuid(route.id) then return not_uuid(route.form, "mirror id in the path", route.id) end
    if not self.world:delete(route.cluster, route.id) then return no_mirror(route) end
    return answers.no_content(), { change = "deleted", id = route.id }
end

function operations:update_target_latency(route, request)
    if not is_uuid(route.id) then return not_uuid(route.form, "mirror id in the path", route.id) end
    local body, refusal = read_body(request, route.form)
    if not body then return refusal end
    body = route.form.latency(body)
    local problems = check_fields(body, LATENCY_FIELDS)
    if body.newTargetLatency == nil then problems.newTargetLatency = "is required" end
    if next(problems) then
        return route.form.error(400, "The target latency cannot be set", problems)
    end
    local mirror = self.world:find(route.cluster, route.id)
    if not mirror then return no_mirror(route) end
    mirror.targetLatency = math.tointeger(body.newTargetLatency)
    return route.form.updated(route.cluster, self.world:describe(route.cluster, route.id)),
        { change = "target latency", id = route.id, targetLatency = mirror.targetLatency }
end

---- who asks, and how often ----

--- Takes a request into the user's window of one second. Requests that are turned away do not count.
---@param user string
---@param now number seconds
---@return boolean accepted
function api:accept(user, now)
    local window = self.accepted[user] or { first = 1, last = 0 }
    self.accepted[user] = window
    while window.first <= window.last and window[window.first] <= now - 1 do
        window[window.first] = nil
        window.first = window.first + 1
    end
    if self.rate > 0 and window.last - window.first + 1 >= self.rate then return false end
    window.last = window.last + 1
    window[window.last] = now
    return true
end

--- What the key in a request allows; nil when user name or key are not known.
---@return "full"|"read-only"|nil
function api.access(request)
    if request.username ~= account.username then return nil end
    return request.password == account.api_key and "full"
        or request.password == account.read_only_api_key and "read-only"
        or nil
end

-- Which cluster a request is about, where its path does not say.
local function cluster_in(self, route, request)
    if route.id then return self.world:cluster_of(route.id) end
    local valid, body = pcall(cjson.decode, request.body)
    local cluster = valid and type(body) == "table" and body.kafkaConnectClusterId
    return type(cluster) == "string" and cluster:lower() or nil
end

--- Completes a route with the cluster that the request is about.
---@param route kmirror.sandbox.route
---@param request table
function api:locate(route, request)
    if route.operation and not route.cluster then
        route.cluster = cluster_in(self, route, request)
    end
end

--- The answer to a request for a cluster that is not there; nil when it is there.
function api:_place(route)
    if not route.cluster and route.id and not is_uuid(route.id) then
        return not_uuid(route.form, "mirror id in the path", route.id)
    elseif not route.cluster and route.id then
        return route.form.error(404, "There is no mirror " .. route.id)
    elseif not route.cluster then
        return route.form.error(route.form.required, "kafkaConnectClusterId is required")
    elseif not is_uuid(route.cluster) then
        return not_uuid(route.form, "cluster id", route.cluster)
    elseif not self.world:has_connect(route.cluster) then
        return route.form.error(404, "There is no Kafka Connect cluster " .. route.cluster)
    end
end

--- Answers a request, and says what it changed.
---@param request { method: string, path: string, headers: table<string, string>, body: string,
---  username: string|nil, password: string|nil }
---@param route kmirror.sandbox.route what api.route() made of it
---@return kmirror.sandbox.answer
---@return table|nil effect { change = "created"|"deleted"|"target latency", id = …, … }
function api:answer(request, route)
    local form, access = route.form, api.access(request)
    if not access then
        local refusal = form.error(401, "Not authorized: unknown user name or API key")
        refusal.headers["WWW-Authenticate"] = 'Basic realm="provisioning API"'
        return refusal
    end
    if not self:accept(request.username, self.clock()) then
        return form.error(429, "Rate Limit Exceeded")
    end
    if access == "read-only" and request.method ~= "GET" then
        return form.error(403, "Forbidden: this API key is read-only")
    end
    if not route.operation then
        return form.error(404, "There is no " .. request.method .. " " .. unescape(request.path))
    end
    if self.v2_slash == "redirect" and form.moved and form.moved(request) then
        return form.moved(request)
    end
    local refusal = self:_place(route)
    if refusal then return refusal end
    return operations[route.operation](self, route, request)
end

return api
