/* The callee, in a shared library of its own: gcc -O2 -fPIC -shared. */
int plusone(int x)
{
    return x + 1;
}
