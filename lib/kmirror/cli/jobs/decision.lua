--- cli.jobs.decision: `kmirror jobs approve` and `kmirror jobs refuse`: what a job of somebody else's asks for, and
--- what is decided about it.

local approval = require("kmirror.approval")
local confirm = require("kmirror.confirm")
local host = require("host")
local jobs = require("kmirror.jobs")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local moment = require("kmirror.moment")
local terminal = require("kmirror.terminal")
local refuse = require("kmirror.usage")

local M = {}

-- A digest that was shown elsewhere, or its first digits.
local function check_digest(row, given)
    if not given then
        return
    elseif not given:find("^%x+$") or #given < 8 then
        refuse("--digest '%s': expected 8 hexadecimal digits of it or more, as the run shows it", given)
    elseif row.digest:sub(1, #given) ~= given:lower() then
        refuse("what is asked for now has the digest %s, not %s: it has changed in the meantime; nothing was decided",
            approval.short(row.digest), given)
    end
end

local function show(row)
    local shown = approval.fitted(mirrors.printable(row.shown, true), terminal.of(io.stderr).width)
    io.stderr:write(
        ("\nAsked by %s at %s.\n"):format(mirrors.printable(row.asked_by), moment.shown(row.asked_at)),
        ("It can be decided until %s, for %s.\n"):format(moment.shown(host.time() + row.left), moment.span(row.left)),
        ("Digest %s\n\n%s\n"):format(approval.short(row.digest), shown)
    )
end

local function decide(options, state, question)
    return jobs.with(options.store, options.name, function(store)
        local row = approval.pending(store, options.name)
        check_digest(row, options.digest)
        show(row)
        if state == "approved" and row.own then
            refuse("job '%s' was asked for by yourself (%s): it takes another user of the store to approve it",
                options.name, row.asked_by)
        end
        if question then confirm.typed(question, "approve", "nothing was approved") end
        approval.decide(store, options.name, row, state, options.reason)
        log.info("%s: job %s", state, options.name)
        return 0
    end)
end

--- Approves what a job asks for.
---@param options { name: string, store: string|nil, digest: string|nil, reason: string|nil }
---@return integer exit status
function M.approve(options)
    return decide(options, "approved", ("Approve this for job %s"):format(options.name))
end

--- Refuses it, and says why.
---@param options { name: string, store: string|nil, digest: string|nil, reason: string|nil }
---@return integer exit status
function M.refuse(options)
    if not options.reason then
        refuse("jobs refuse %s: give --reason TEXT: whoever asked is told why", options.name)
    end
    return decide(options, "refused")
end

return M
