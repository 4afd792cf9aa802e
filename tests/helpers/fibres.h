// From one fibre to another: a fibre has a stack of its own and is left and entered at any place.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define OWN_SWITCH                       // 20 times as fast as swapcontext, which the sanitizers know
#else
#include <ucontext.h>
#endif

namespace shim {

#if defined(OWN_SWITCH)                    // a fibre that does not run is its stack pointer
typedef void* Context;
extern "C" void shim_switch(Context* from, Context to);
asm(R"(
.local shim_switch
shim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
static void change(Context* from, Context* to) { shim_switch(from, *to); }
static void prepare(Context* fibre, char* stack, size_t size, void (*entry)())
{
    void** top = (void**)(stack + size) - 1;             // as after a call: 16 bytes aligned, less 8
    *top = nullptr;
    *--top = (void*)entry;
    *fibre = top - 6;
}
#else
typedef ucontext_t Context;
static void change(Context* from, Context* to) { swapcontext(from, to); }
static void prepare(Context* fibre, char* stack, size_t size, void (*entry)())
{
    getcontext(fibre);
    fibre->uc_stack.ss_sp = stack, fibre->uc_stack.ss_size = size;
    makecontext(fibre, entry, 0);
}
#endif

}  // namespace shim
