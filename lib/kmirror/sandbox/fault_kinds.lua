--- What can go wrong: each kind of fault, the fields that a rule may set for it, and what it does.

local account = require("kmirror.sandbox.account")
local cjson = require("cjson")
local check = require("kmirror.sandbox.fault_checks")
local topics = require("kmirror.sandbox.topics")

--- What a kind's functions get: the request that met the fault, and all that they may touch.
---@class kmirror.sandbox.meeting
---@field request table
---@field route kmirror.sandbox.route
---@field now number
---@field world kmirror.sandbox.world
---@field api kmirror.sandbox.api
---@field faults kmirror.sandbox.faults

---@class kmirror.sandbox.fault_kind
---@field fields table<string, function> what a rule may say beside the selectors
---@field when "before"|"after"|nil when it comes unless the rule says; nil: the rule must
---@field always boolean|nil it can come at no other time
---@field answer nil|fun(rule: table, answer: table|nil, meeting: kmirror.sandbox.meeting): table
---  makes the answer from the true one, which there is none of before the change
---@field besides nil|fun(rule: table, meeting: kmirror.sandbox.meeting): string|nil, table|nil
---  does something beside the answer; gives the operation and the effect when it changed something

---@type table<string, kmirror.sandbox.fault_kind>
local kinds = {}

--- A number of seconds, from what a rule says.
local function draw(rule, seconds)
    if type(seconds) ~= "table" then return seconds end
    return seconds[1] + rule.random:fraction() * (seconds[2] - seconds[1])
end

---- faults of the connection ----

--- The connection is closed, and connects are refused for `seconds` (1). A rule that says nothing but `from`
--- and `to` refuses all that time.
kinds.refuse = {
    fields = { seconds = check.seconds },
    when = "before",
    always = true,
    answer = function(rule, _, meeting)
        meeting.faults.refused_until = meeting.now + draw(rule, rule.seconds or 1)
        return { drop = true }
    end,
}

--- The connection is closed without an answer.
kinds.drop = {
    fields = {},
    answer = function()
        return { drop = true }
    end,
}

--- The body ends after `bytes` (half of it). Where there is no body, there is no answer.
kinds.truncate = {
    fields = { bytes = check.number },
    when = "after",
    always = true,
    answer = function(rule, answer)
        if answer.body == "" then return { drop = true } end
        answer.truncate = math.min(rule.bytes or #answer.body // 2, #answer.body - 1)
        return answer
    end,
}

--- The answer comes `seconds` late (3600). Before the change, the connection is closed instead.
kinds.stall = {
    fields = { seconds = check.seconds },
    when = "after",
    answer = function(rule, answer)
        answer = answer or { drop = true }
        answer.delay = draw(rule, rule.seconds or 3600)
        return answer
    end,
}

--- The body comes at `rate` bytes a second (100).
kinds.drip = {
    fields = { rate = check.count },
    when = "after",
    always = true,
    answer = function(rule, answer)
        answer.drip = rule.rate or 100
        return answer
    end,
}

---- faults of the answer ----

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- A date as HTTP writes it, in any locale.
local function http_date(time)
    local date = os.date("!*t", math.ceil(time)) --[[@as osdate]]
    return ("%s, %02d %s %d %02d:%02d:%02d GMT"):format(
        DAYS[date.wday], date.day, MONTHS[date.month], date.year, date.hour, date.min, date.sec)
end

--- 429, with a Retry-After of `retry_after` seconds when that is set, written as a date when `date` is true.
kinds.throttle = {
    fields = { retry_after = check.number, date = check.boolean },
    when = "before",
    always = true,
    answer = function(rule, _, meeting)
        local answer = meeting.route.form.error(429, "Rate Limit Exceeded")
        if rule.retry_after then
            answer.headers["Retry-After"] = rule.date and http_date(meeting.now + rule.retry_after)
                or ("%d"):format(math.ceil(rule.retry_after))
        end
        return answer
    end,
}

local HTML = "<html>\r\n<head><title>%d</title></head>\r\n<body>\r\n<center><h1>%d</h1></center>\r\n"
    .. "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

local ERRORS = {
    json = function(status, form)
        return form.error(status, "Something went wrong on our side")
    end,
    html = function(status)
        local body = HTML:format(status, status)
        return { status = status, headers = { ["Content-Type"] = "text/html" }, body = body }
    end,
    nothing = function(status)
        return { status = status, headers = {}, body = "" }
    end,
}

--- `status` (503), with a body as the API itself writes it (json), as a proxy does (html), or nothing.
kinds.server_error = {
    fields = { status = check.server_status, body = check.one_of("json", "html", "nothing") },
    when = "before",
    answer = function(rule, _, meeting)
        return ERRORS[rule.body or "json"](rule.status or 503, meeting.route.form)
    end,
}

local function called_json(body)
    return { status = 200, headers = { ["Content-Type"] = "application/json" }, body = body }
end

--- 200 with bytes that mean nothing.
kinds.garbage = {
    fields = {},
    when = "after",
    answer = function(rule)
        local bytes = {}
        for i = 1, 64 do bytes[i] = string.char(rule.random:integer(256) - 1) end
        return called_json(table.concat(bytes))
    end,
}

local WRONG_SHAPES = {
    "null", "[]", "{}", '"ok"', "0", '{"mirrors":{"a":1}}', '{"mirrors":[1,2]}', '{"mirrors":null}',
    '{"mirrorId":7}', '{"id":[],"status":1,"topicStatuses":"none"}',
}

--- 200 with JSON that no operation answers.
kinds.wrong_shape = {
    fields = {},
    when = "after",
    answer = function(rule)
        return called_json(WRONG_SHAPES[rule.random:integer(#WRONG_SHAPES)])
    end,
}

--- The list shows the world of `seconds` ago (5).
kinds.stale_list = {
    fields = { seconds = check.number },
    when = "after",
    always = true,
    answer = function(_, answer)
        return answer
    end,
}

---- what others do ----

--- Alias and regex of a create request; of any other, something like it.
local function look_of(rule, meeting)
    if rule.same and meeting.route.operation == "create" then
        local valid, spec = pcall(cjson.decode, meeting.request.body)
        local form = meeting.route.form
        spec = valid and type(spec) == "table" and form.specification(spec)
        if spec and next((meeting.api:check_create(spec, form))) == nil then
            return spec.sourceAlias, spec.topicsRegex
        end
    end
    return "other", topics.regex_of(rule.random:integer(topics.FAMILY_COUNT))
end

--- Another operator creates a mirror on the request's cluster; one of the same alias and regex as the request
--- would when `same` is true.
kinds.other_creates = {
    fields = { same = check.boolean },
    when = "before",
    besides = function(rule, meeting)
        local cluster = meeting.route.cluster
        local alias, regex = look_of(rule, meeting)
        local mirror = meeting.world:create(cluster, { sourceAlias = alias, topicsRegex = regex })
        table.insert(meeting.faults.theirs, mirror.id)
        return "create", {
            change = "created", id = mirror.id, connectorName = mirror.connectorName, topicsRegex = regex,
            sourceAlias = alias,
        }
    end,
}

--- Another operator deletes a mirror on the request's cluster: one of those that other operators created, or
--- any that there is when `any` is true.
kinds.other_deletes = {
    fields = { any = check.boolean },
    when = "before",
    besides = function(rule, meeting)
        local cluster, world = meeting.route.cluster, meeting.world
        local there = {}
        for _, mirror in ipairs(rule.any and world:list(cluster, 0) or {}) do
            there[#there + 1] = mirror.id
        end
        for _, id in ipairs(rule.any and {} or meeting.faults.theirs) do
            there[#there + 1] = world:find(cluster, id) and id
        end
        if #there == 0 then return end
        local id = there[rule.random:integer(#there)]
        world:delete(cluster, id)
        return "delete", { change = "deleted", id = id }
    end,
}

--- Another client of the sandbox's user sends `rate` requests a second (20).
kinds.eats_quota = {
    fields = { rate = check.count },
    when = "before",
    always = true,
    besides = function(rule, meeting)
        local step = 1 / (rule.rate or 20)
        local at = math.max(rule.ate_until or 0, meeting.now - 1) + step
        while at <= meeting.now do
            meeting.api:accept(account.username, at)
            rule.ate_until = at
            at = at + step
        end
    end,
}

return kinds
