# Lists the code instances of the base image that have machine code there, as `closure.jl` reads it.
#
# usage: julia base.jl OUTPUT

include("walk.jl")

function list_base(output)
    range = mapped()
    open(output, "w") do file
        each_instance() do instance
            code = isdefined(instance, :cache) ? instance.cache : nothing
            while code !== nothing
                UInt(code.specptr) in range && println(file, place(code))
                code = isdefined(code, :next) ? code.next : nothing
            end
        end
    end
end

"Where the base image lies in memory. Code that this process compiled itself lies elsewhere."
function mapped()
    file = realpath(unsafe_string(Base.JLOptions().image_file))
    ranges = [split(line)[1] for line in eachline("/proc/self/maps") if endswith(line, file)]
    limits = [parse(UInt, limit; base=16) for range in ranges for limit in split(range, '-')]
    minimum(limits):maximum(limits)
end

list_base(ARGS[1])
