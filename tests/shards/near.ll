; The first shard of an image: what each function returns tells which target's body ran.
; Targets: 0; 1 clones all; 2 is partial with base 1; 3 is partial with base 0.
target triple = "x86_64-pc-linux-gnu"

@jl_fvars = global [4 x ptr] [ptr @plain, ptr @level, ptr @looping, ptr @by_data]
@jl_fvar_idxs = hidden constant [4 x i32] [i32 3, i32 0, i32 1, i32 2]
@jl_gvar_offsets_0 = hidden constant [1 x i32] zeroinitializer
@jl_gvar_idxs_0 = hidden constant [0 x i32] zeroinitializer
@data = internal global { i32, ptr } { i32 7, ptr @level }
@c_level = alias i32 (), ptr @level

; 1 + 2 + 4: cloned for every target, because it asks about the CPU.
define i32 @level() noinline {
  %a = call i1 @julia.cpu.supports.sse4.2()
  %b = call i1 @julia.cpu.supports.avx2()
  %c = call i1 @julia.cpu.supports.avx512f()
  %one = zext i1 %a to i32
  %two = select i1 %b, i32 2, i32 0
  %four = select i1 %c, i32 4, i32 0
  %three = add i32 %one, %two
  %all = add i32 %three, %four
  ret i32 %all
}

; Cloned for the bases alone: what a partial target shares with its base goes through the slot.
define i32 @plain() noinline {
  %r = call i32 @level()
  %s = add i32 %r, 100
  ret i32 %s
}

; Cloned for every target, because it loops: calls its own target's.
define i32 @looping() noinline {
start:
  br label %again
again:
  %i = phi i32 [ 0, %start ], [ %next, %again ]
  %sum = phi i32 [ 0, %start ], [ %sum.next, %again ]
  %r = call i32 @level()
  %sum.next = add i32 %sum, %r
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, 3
  br i1 %more, label %again, label %done
done:
  ret i32 %sum.next
}

; By an address in data.
define i32 @by_data() noinline {
  %place = getelementptr { i32, ptr }, ptr @data, i32 0, i32 1
  %f = load ptr, ptr %place
  %r = call i32 %f()
  %s = add i32 %r, 200
  ret i32 %s
}

declare i1 @julia.cpu.supports.sse4.2()
declare i1 @julia.cpu.supports.avx2()
declare i1 @julia.cpu.supports.avx512f()

!llvm.module.flags = !{!0, !1, !2}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.suffix", !"_0"}
!2 = !{i32 1, !"julia.mv.specs", !3}
!3 = !{!4, !5, !6, !7}
!4 = !{!"x86-64", !"+sse2", i32 0, i32 0}
!5 = !{!"x86-64", !"+sse4.2", i32 0, i32 1}
!6 = !{!"x86-64", !"+avx2", i32 1, i32 0}
!7 = !{!"x86-64", !"+avx512f", i32 0, i32 0}
