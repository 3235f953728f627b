# Emits the compiled methods of packages as LLVM bitcode, for an image above the one that Julia runs from.
#
# usage: julia -C generic -O2 --output-bc NOWHERE -J SYSTEM_IMAGE emit.jl OUTPUT TRACE BASE PACKAGE...
#
# BASE is what `base.jl` lists. TRACE is what `--trace-compile` wrote. `--output-bc` makes Julia's code generator write names in place of this process's
# addresses; Julia itself writes nothing, for the process ends here. Prints what it did as `name value` lines.

# A process that writes an image does not do this by itself.
Base.Sys.__init__()
Base.__init__()
base_modules = Set{Module}([Core; collect(values(Base.loaded_modules))])
output, trace, base_list, packages = ARGS[1], ARGS[2], ARGS[3], Symbol.(ARGS[4:end])
for package in packages
    Core.eval(Main, :(import $package))
end

include("walk.jl")
include("record.jl")
include("write.jl")
include("llvm.jl")
include("closure.jl")
include("bitcode.jl")

function emit()
    wanted, counts = traced(trace)
    fresh = filter(!base_has, wanted)
    closure = Closure(fresh)
    imported, own = partition(base_has, collect(keys(closure.entries)))
    note("traced", counts.lines)
    note("not_found", counts.not_found)
    note("base_has", length(wanted) - length(fresh))
    note("callees_base_has", length(imported))
    isempty(closure.entries) && error("$trace names nothing that the base image does not have")
    module_ = Bitcode(closure, imported, own)
    record = write_record(module_, base_modules)
    note("emitted", length(module_.own))
    add_record(module_, record)
    optimise(module_)
    LLVM.WriteBitcodeToFile(module_.llvm, output) == 0 || error("cannot write $output")
    note("record_bytes", length(record))
end

partition(f, list) = (filter(f, list), filter(!f, list))
note(name, value) = println(name, " ", value)

emit()
flush(stdout)
# Julia would write its image now.
ccall(:_exit, Cvoid, (Cint,), 0)
