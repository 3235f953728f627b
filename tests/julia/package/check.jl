# What the image of Stock must do beyond the work that it is for, and what it must refuse.
#
# usage: julia check.jl IMAGE CASE

using Test
import Libdl, Stock, PackageImage

const image, case = ARGS
items() = Stock.read_items(Stock.sample(40))

"Where the code is that a call with these types runs."
function code_of(f, types)
    method = Base._methods_by_ftype(Base.signature_type(f, types), -1, Base.get_world_counter())[1]
    Core.Compiler.specialize_method(method[3], method[1], method[2]).cache.specptr
end
in_image(address) = any(eachline("/proc/self/maps")) do line
    from, to = parse.(UInt, split(split(line)[1], '-'); base=16)
    endswith(line, realpath(image)) && from <= UInt(address) < to
end

refused(loaded, f) = [reason for (types, reason) in loaded.refused if types isa Type && types.parameters[1] == typeof(f)]

if case == "calls"
    loaded = PackageImage.load(image)
    @test isempty(loaded.refused) && loaded.installed > 0
    @test in_image(code_of(Stock.worth, (Vector{Stock.Item},)))
    # New code calls the image's code directly.
    twice(list) = 2 * Stock.worth(list)
    list = items()
    @test twice(list) == 2 * Stock.worth(list)
    @test in_image(code_of(Stock.worth, (Vector{Stock.Item},)))
    # Exceptions, stack traces with names, the collector, tasks and threads.
    trace = try
        Stock.take(Stock.counts(list), Stock.Article("saw", (1, 1)))
    catch error
        # Julia 1.5 takes code for Julia's only if it is its own or the base image's: else for C's, but with its name.
        stacktrace(catch_backtrace(), true)
    end
    @test any(frame -> frame.func == :take && endswith(string(frame.file), "Stock.jl"), trace)
    GC.gc()
    @test Stock.names(Stock.by_price(list)[1:1]) == "bolt5@0/1"
    results = Vector{String}(undef, 8)
    Threads.@threads for i in 1:8
        results[i] = Stock.names(Stock.by_price(items()))
        GC.gc()
    end
    @test all(==(results[1]), results)
    # A second load finds all there.
    @test PackageImage.load(image).installed == 0
elseif case == "damaged"
    said(file) = try
        PackageImage.load(file)
        ""
    catch error
        error.msg
    end
    mktempdir() do folder
        short = joinpath(folder, "short.so")
        write(short, read(image)[1:end÷2])
        @test occursin("was cut short", said(short))
        @test occursin("is no 64-bit ELF file", said(@__FILE__))
        @test occursin("is not there", said(joinpath(folder, "missing.so")))
        @test occursin("it is no image of a package", said(Libdl.dlpath("libm.so.6")))
    end
elseif case == "redefined-before"
    Core.eval(Stock, :(worth(items::Vector{Item}) = -1.0))
    loaded = PackageImage.load(image)
    @test length(refused(loaded, Stock.worth)) == 1
    @test Stock.worth(items()) == -1.0
elseif case == "redefined-callee-before"
    # What a method has inlined, or was inferred by, counts as well as itself.
    Core.eval(Stock, :(Base.isless(a::Article, b::Article) = isless(b.name, a.name)))
    loaded = PackageImage.load(image)
    @test !isempty(refused(loaded, Stock.by_price))
    @test loaded.installed > 0
    @test Stock.names(Stock.by_price(items())[1:2]) == "nut5@0/1, bolt5@0/1"
elseif case == "redefined-after"
    PackageImage.load(image)
    @test Stock.names(Stock.by_price(items())[1:2]) == "bolt5@0/1, nut5@0/1"
    Core.eval(Stock, :(Base.isless(a::Article, b::Article) = isless(b.name, a.name)))
    @test Stock.names(Stock.by_price(items())[1:2]) == "nut5@0/1, bolt5@0/1"
elseif case == "more-specific"
    # A new method for types that the image's code calls another one with.
    Core.eval(Stock, :(Base.string(a::Article) = "article"))
    loaded = PackageImage.load(image)
    @test !isempty(refused(loaded, Stock.names))
    @test Stock.names(items()[1:1]) == "article"
else
    error("no case $case")
end
