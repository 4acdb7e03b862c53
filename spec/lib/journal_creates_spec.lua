local run = require("spec.support.journal").run

describe("a journal, of creates,", function()
    it("leaves a create unanswered when it cannot be told whether it was made, and says why", function()
        assert.are.equal("unknown_outcome\tcancelled\n" ..
            "create\tsent\t-\tunknown_outcome it was\ncreate\tsent\t-\tcancelled it was\n", run [[
            begin()
            answer = fails "unknown_outcome"
            local first = kind_of(create, "x")
            answer = fails "cancelled"
            print(first, kind_of(create, "y"))
            show()]])
    end)

    it("gives the ledger what earlier runs knew, in order, before the first create", function()
        local first = "c:m1+m2 c:id1 c:y? c:m3 c:z? c:q? c:p? c:o?"
        assert.are.equal(first .. "\n1\n" .. first .. " c:id2 c:id3 c:m4\n", run [[
            begin()
            answer = function(name, how)
                if name == "create x" then return works(name) end
                error(mirrors.error("cancelled", "cancelled"), 0)
            end
            local wanted = { operation = "create", cluster = "C", spec = { topicsRegex = "x" }, ledger = its_ledger }
            change(wanted, function(how)
                listener("c", { "m1", "m2" })
                listener("d", { "n1" })
                how.sending()
                return works "create x"
            end)
            pcall(create, "y")
            listener("c", { "m2", "m3" })
            for _, regex in ipairs { "z", "q", "p", "o" } do pcall(create, regex) end
            answer = fails "invalid"
            pcall(create, "w")
            kill()
            begin()
            answer = function(name)
                if #sent == 1 then print(table.concat(told, " ")) end
                return works(name)
            end
            create "v"
            create "w"
            print(#told // 8)
            listener("c", { "m4" })
            kill()
            begin()
            told, answer = {}, works
            create "u"
            print(table.concat(told, " "))]])
    end)

    it("gives a ledger that comes later what this run has made through another", function()
        assert.are.equal("c:id1\n", run [[
            begin()
            create "x"
            its_ledger = setmetatable({}, { __index = ledger })
            create "y"
            print(table.concat(told, " "))]])
    end)

    it("goes on with a create that was not answered, as the ledger's lost one", function()
        assert.are.equal("cancelled\nx true\nid1\n-\tfalse\nid2\ncreate\tdone\tid1\t-\ncreate\tdone\tid2\t-\n", run [[
            begin()
            answer = fails "cancelled"
            print(kind_of(create, "x"))
            kill()
            begin()
            local identity
            answer = function(name, how)
                io.write(how.lost and how.lost.entry .. " " or "-\t")
                print(how.identity == identity or how.lost ~= nil)
                identity = how.lost and how.identity
                return works(name)
            end
            print(create "x")
            print(create "y")
            show()]])
    end)

    it("writes down what lists show while it runs, once", function()
        assert.are.equal("1 c m1\n2 c m2\n", run [[
            begin()
            answer = function(name)
                listener("c", { "m1" })
                return works(name)
            end
            change({ operation = "create", cluster = "c", spec = {}, ledger = its_ledger }, function(how)
                listener("c", { "m1" })
                listener("c", { "m1", "m2" })
                how.sending()
                return "id"
            end)
            run:finish(0)
            begin()
            create "x"
            kill()
            local store = stores.open(path)
            for _, seen in ipairs(store:seen "j") do
                print(seen.order .. " " .. seen.cluster .. " " .. table.concat(seen.ids, "+"))
            end]])
    end)

    it("leaves unanswered creates of a shared job to who has their items, until it takes these over", function()
        assert.are.equal("seeded: old+a b? made\n"
            .. "c inherits x, known before: a old\nc inherits y, known before: a old\nc made z\n"
            .. "seeded: old+a x? b? made y? late\n", run [[
            local creates = require "kmirror.journal.creates"
            local function row(number, state, regex, item)
                return { number = number, order = 2 * number, operation = "create", cluster = "C", state = state,
                    key = "key of " .. regex, arguments = { topicsRegex = regex }, item = item,
                    id = state == "done" and "made" or nil }
            end
            local its = { joint = true, prepared = {}, taken_over = {}, known = {}, history = {
                { cluster = "c", order = 1, ids = { "old", "a" } }, { cluster = "d", order = 2, ids = { "no" } },
            }, changes = { row(1, "sent", "x", "another's"), row(2, "sent", "b"), row(3, "done", "z", "another's") } }
            local function prepare()
                told = {}
                local one = setmetatable({}, { __index = ledger })
                function one:inherit(cluster, spec, key, before)
                    local names = {}
                    for id in pairs(before) do names[#names + 1] = id end
                    table.sort(names)
                    assert(key == "key of " .. spec.topicsRegex)
                    print(cluster .. " inherits " .. spec.topicsRegex .. ", known before: " .. table.concat(names, " "))
                    return {}
                end
                function one:made(cluster, id, spec) print(cluster .. " made " .. spec.topicsRegex) end
                creates.prepare(its, one, "c")
                print("seeded: " .. table.concat(told, " "):gsub("c:", ""))
            end
            prepare()
            its.history[3] = { cluster = "c", order = 7, ids = { "late" } }
            local other = row(4, "sent", "y", "another's")
            other.order, its.changes[4] = 6.5, other
            for _ = 1, 2 do creates.take_over(its, { its.changes[1], other }) end
            creates.take_over(its, { row(3, "done", "z", "another's"), row(5, "failed", "f", "another's") })
            prepare()]])
    end)
end)
