-- pool.c and libcurl.c, in a program of their own: where objects are is not seen from Lua.
local support = require("spec.support")

describe("the memory of Lua and libcurl", function()
    local program

    setup(function()
        program = support.temporary("pooling")
        local compile = ("cc -std=c11 -O2 -D_GNU_SOURCE -Iruntime -Wl,--wrap=malloc -o %s "
            .. "spec/support/pooling.c runtime/pool.c runtime/libcurl.c -lcurl -pthread 2>&1"):format(program)
        local pipe <close> = io.popen(compile)
        local said = pipe:read("a")
        assert(pipe:close(), said)
    end)

    local function went_wrong(case)
        local pipe <close> = io.popen(("env -u KMIRROR_MALLOC %s %s 2>&1"):format(program, case))
        local said = pipe:read("a")
        assert.is_true(pipe:close(), said)
        return said
    end

    it("gives the place of an object that is gone to the next one of its size", function()
        assert.equal("", went_wrong("again"))
    end)

    it("keeps what is in objects that grow, shrink and move", function()
        assert.equal("", went_wrong("random"))
    end)

    it("lets an object shrink when memory is short", function()
        assert.equal("", went_wrong("shrinking"))
    end)

    it("takes back what libcurl frees in a thread of its own", function()
        assert.equal("", went_wrong("threads"))
    end)

    it("comes from malloc() object by object where KMIRROR_MALLOC asks for it", function()
        local command = ("KMIRROR_MALLOC=1 %s again"):format(program)
        local pipe <close> = io.popen(command)
        assert.matches("not used again", pipe:read("a"))
    end)
end)
