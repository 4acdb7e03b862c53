--- What can go wrong: each kind of fault, the fields that a rule of a plan may set for it, and what it does.

local cjson = require "cjson"
local api = require "kmirror.sandbox.api"
local check = require "kmirror.sandbox.fault_checks"
local topics = require "kmirror.sandbox.topics"

--- A number of seconds from what a rule says.
local function draw(rule, said)
    if type(said) ~= "table" then
        return said
    end
    return said[1] + rule.random:fraction() * (said[2] - said[1])
end

local HTML = "<html>\r\n<head><title>%d</title></head>\r\n<body><center><h1>%d</h1></center>"
    .. "<hr><center>nginx</center></body>\r\n</html>\r\n"

local ERROR_BODIES = {
    json = function(status)
        return api.error(status, "Something went wrong on our side")
    end,
    html = function(status)
        return { status = status, headers = { ["Content-Type"] = "text/html" }, body = HTML:format(status, status) }
    end,
    nothing = function(status)
        return { status = status, headers = {}, body = "" }
    end,
}

--- JSON, but not what any operation answers.
local WRONG_SHAPES = {
    "null", "[]", "{}", '"ok"', "0", '{"mirrors":{"a":1}}', '{"mirrors":[1,2]}', '{"mirrors":null}',
    '{"mirrorId":7}', '{"id":[],"status":1,"topicStatuses":"none"}',
}

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- A date as HTTP writes it, in any locale.
local function http_date(time)
    local date = os.date("!*t", math.ceil(time)) --[[@as osdate]]
    return ("%s, %02d %s %d %02d:%02d:%02d GMT"):format(DAYS[date.wday], date.day, MONTHS[date.month], date.year,
        date.hour, date.min, date.sec)
end

local before_or_after = one_of("before", "after")

--- By name: `fields` it takes beside the selectors, `when` it comes unless the rule says (nil: the rule must),
--- `only` when it may come, and either `answer`, which makes the answer from the rule, the true answer (nil when
--- it comes before) and the time; or `besides`, which does something on top.
local kinds = {
    --- Connects are refused for so many seconds, by 1; or from `from` to `to`, when that is all the rule says.
    refuse = {
        fields = { seconds = seconds }, when = "before", only = "before",
        answer = function(rule, _, now, self)
            self.refused_until = now + draw(rule, rule.seconds or 1)
            return { drop = true }
        end,
    },
    --- The connection is closed without an answer.
    drop = {
        fields = {},
        answer = function()
            return { drop = true }
        end,
    },
    --- The answer ends after so many bytes, by half. One without a body does not come at all.
    truncate = {
        fields = { bytes = number }, when = "after", only = "after",
        answer = function(rule, answer)
            if answer.body == "" then
                return { drop = true }
            end
            answer.truncate = math.min(rule.bytes or #answer.body // 2, #answer.body - 1)
            return answer
        end,
    },
    --- The answer comes so many seconds late, by an hour. One that comes before the change does not come at all.
    stall = {
        fields = { seconds = seconds }, when = "after",
        answer = function(rule, answer)
            answer = answer or { drop = true }
            answer.delay = draw(rule, rule.seconds or 3600)
            return answer
        end,
    },
    --- The body comes so many bytes a second, by 100.
    drip = {
        fields = { rate = count }, when = "after", only = "after",
        answer = function(rule, answer)
            answer.drip = rule.rate or 100
            return answer
        end,
    },
    --- 429, with Retry-After when `retry_after` is set, as a date when `date` is true.
    throttle = {
        fields = { retry_after = number, date = boolean }, when = "before", only = "before",
        answer = function(rule, _, now)
            local answer = api.error(429, "Rate Limit Exceeded")
            if rule.retry_after then
                answer.headers["Retry-After"] = rule.date and http_date(now + rule.retry_after)
                    or ("%d"):format(math.ceil(rule.retry_after))
            end
            return answer
        end,
    },
    --- 5xx, by 503, with a body of the API's own (json), of a proxy in front (html), or nothing.
    server_error = {
        fields = { status = server_status, body = one_of("json", "html", "nothing") }, when = "before",
        answer = function(rule)
            return ERROR_BODIES[rule.body or "json"](rule.status or 503)
        end,
    },
    --- 200 with bytes that mean nothing.
    garbage = {
        fields = {}, when = "after",
        answer = function(rule)
            local bytes = {}
            for i = 1, 64 do
                bytes[i] = string.char(rule.random:integer(256) - 1)
            end
            return { status = 200, headers = { ["Content-Type"] = "application/json" }, body = table.concat(bytes) }
        end,
    },
    --- 200 with JSON that is not what the operation answers.
    wrong_shape = {
        fields = {}, when = "after",
        answer = function(rule)
            local body = WRONG_SHAPES[rule.random:integer(#WRONG_SHAPES)]
            return { status = 200, headers = { ["Content-Type"] = "application/json" }, body = body }
        end,
    },
    --- The list runs behind by so many seconds, by 5.
    stale_list = {
        fields = { seconds = number }, when = "after", only = "after",
        answer = function(_, answer)
            return answer
        end,
    },
    --- Somebody else creates a mirror on the same cluster: one that looks like that of the request when `same`.
    other_creates = {
        fields = { same = boolean }, when = "before",
        besides = function(rule, self, request, route, world)
            local wanted = rule.same and route.operation == "create" and select(2, pcall(cjson.decode, request.body))
            wanted = type(wanted) == "table" and wanted or {}
            local mirror = world:create(route.cluster, {
                sourceAlias = type(wanted.sourceAlias) == "string" and wanted.sourceAlias or "other",
                topicsRegex = type(wanted.topicsRegex) == "string" and topics.select(wanted.topicsRegex, {})
                    and wanted.topicsRegex or topics.regex_of(rule.random:integer(topics.FAMILY_COUNT)),
            })
            table.insert(self.theirs, { cluster = route.cluster, id = mirror.id })
            return "create", { change = "created", id = mirror.id, connectorName = mirror.connectorName,
                topicsRegex = mirror.topicsRegex }
        end,
    },
    --- Somebody else deletes a mirror on the same cluster: one that somebody else created, or any when `any`.
    other_deletes = {
        fields = { any = boolean }, when = "before",
        besides = function(rule, self, _, route, world)
            local id = rule.any and self:_pick_any(rule, world, route.cluster)
                or self:_pick_theirs(rule, world, route.cluster)
            if id and world:delete(route.cluster, id) then
                return "delete", { change = "deleted", id = id }
            end
        end,
    },
    --- Another client of the same account sends so many requests a second, by 20.
    eats_quota = {
        fields = { rate = count }, when = "before", only = "before",
        besides = function(rule, _, request, _, _, now, its_api)
            local step = 1 / (rule.rate or 20)
            local at = math.max(rule.ate_until or 0, now - 1) + step
            while at <= now do
                its_api:accept(request.username, at)
                rule.ate_until = at
                at = at + step
            end
        end,
    },
}

return kinds
