local annotations = require("spec.support.annotations")
local reference = require("spec.support.reference")
local support = require("spec.support")

describe("the library reference", function()
    it("has a doc for each public function, with all its parameters", function()
        assert.are.equal("", table.concat(reference.lacking(), "\n"))
    end)

    it("names no type that is defined nowhere", function()
        local files = {}
        local list <close> = io.popen("find lib runtime -name '*.lua'")
        for file in list:lines() do files[#files + 1] = file end
        local undefined, names = annotations.undefined(files)
        assert.are.equal("", table.concat(undefined, "\n"))
        assert.is_true(names > 2000)
    end)

    it("is what the annotations say", function()
        local current = support.read "lib/README.md" == reference.text()
        assert.is_true(current, "lib/README.md is out of date: "
            .. "lua5.4 spec/support/reference.lua > lib/README.md.new && mv lib/README.md.new lib/README.md")
    end)
end)
