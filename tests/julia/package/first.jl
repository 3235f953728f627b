# Does some work for the first time, and says how long it took: with the packages' image, or without.
#
# usage: julia --trace-compile=TRACE first.jl WORK IMAGE PACKAGE...; no IMAGE is `-`. Standard output is the work's; lines
# `name value` on standard error: nanoseconds, numbers of methods, and where in TRACE the work begins.

const work, image = ARGS[1], ARGS[2]
for package in Symbol.(ARGS[3:end])
    Core.eval(Main, :(import $package))
end

note(name::String, value::Int) = ccall(:jl_safe_printf, Cvoid, (Cstring, Cstring, Int), "%s %ld\n", name, value)

function load(image)
    begun = time_ns()
    Core.eval(Main, :(using PackageImage))
    note("loader_ns", Int(time_ns() - begun))
    begun = time_ns()
    loaded = Base.invokelatest(() -> PackageImage.load(image))
    note("load_ns", Int(time_ns() - begun))
    note("installed", loaded.installed)
    note("present", loaded.present)
    note("refused", length(loaded.refused))
    for (instance, reason) in loaded.refused
        println(stderr, "refused: ", instance, ": ", reason)
    end
end

image == "-" || load(image)
# What an include takes for itself is no part of the work.
Base.include_string(Main, "nothing")
Base.include(Main, joinpath(@__DIR__, "nothing.jl"))
note("trace_begin", Int(filesize(unsafe_string(Base.JLOptions().trace_compile))))
begun = time_ns()
Base.include(Main, work)
note("first_ns", Int(time_ns() - begun))
