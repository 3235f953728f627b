; A list that spells out a whole CPU, as Julia (with LLVM 9) and Zig write it, asks to do without nothing: clones have what
; their target has. What options turn off stays off, with all that needs it.
; RUN: JULIA_CPU_TARGET=x86-64;haswell,clone_all opt -passes=jl-annotate<march=1>,jl-multiversion,verify -S %s | FileCheck %s
target triple = "x86_64-unknown-linux-gnu"

; CHECK: define internal i32 @spelled.1({{.*}} #[[SPELLED:[0-9]+]]
define i32 @spelled(i32 %x) #0 {
  ret i32 %x
}

; CHECK: define internal i32 @options.1({{.*}} #[[OPTIONS:[0-9]+]]
define i32 @options(i32 %x) #1 {
  ret i32 %x
}

attributes #0 = { "target-cpu"="x86-64" "target-features"="+cx16,-sse3,-pclmul,-ssse3,-fma,-sse4.1,-sse4.2,-movbe,-popcnt,-aes,-xsave,-avx,-f16c,-rdrnd,-fsgsbase,-bmi,-avx2,-bmi2,-rtm,-avx512f,-avx512dq,-rdseed,-adx,-avx512ifma,-clflushopt,-clwb,-avx512pf,-avx512er,-avx512cd,-sha,-avx512bw,-avx512vl,-prefetchwt1,-avx512vbmi,-pku,-waitpkg,-avx512vbmi2,-shstk,-gfni,-vaes,-vpclmulqdq,-avx512vnni,-avx512bitalg,-avx512vpopcntdq,-rdpid,-cldemote,-movdiri,-movdir64b,-enqcmd,-avx512vp2intersect,-pconfig,-sahf,-lzcnt,-sse4a,-prfchw,-xop,-lwp,-fma4,-tbm,-mwaitx,-xsaveopt,-xsavec,-xsaves,-clzero,-wbnoinvd,-avx512bf16,-ptwrite,+sse2,+mmx,+fxsr,+64bit,+cx8" }
; As clang writes -mno-avx -mno-bmi.
attributes #1 = { "target-cpu"="x86-64" "target-features"="+cx8,+mmx,+sse,+sse2,+x87,-avx,-avx2,-avx512f,-f16c,-fma,-bmi" }

; CHECK: attributes #[[SPELLED]] = {{.*}}+avx,+avx2,+bmi,
; CHECK: attributes #[[OPTIONS]] = {{.*}}+bmi2,{{.*}}-avx,{{.*}}-bmi
